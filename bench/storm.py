"""A storm: 15,000 cars of a mixed fleet lose their connections at once and come back at once.

Measured are the seconds until all are logged in again, and, once nothing more changes, whether the
platform's table of links says exactly one link a car.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from motorcade.node.config import Settings
from motorcade.node.config import load as load_settings
from motorcade.node.load import equip, gateway_addresses, provision
from motorcade.node.registry_access import open_fleet
from motorcade.node.rooms import FleetConfig
from motorcade.node.run_files import settings_in_force
from motorcade.simulator.automakers import automakers
from motorcade.simulator.figures import Figure
from motorcade.simulator.load import Load, LoadPlan
from motorcade.simulator.road import TALLY, Road
from motorcade.simulator.voices import Voice, speech_of

sys.path.insert(0, str(Path(__file__).parent))
from loads import RunningPlatform, cpu, platform

__all__ = ["cars_of", "run", "settings_of"]

_TENANTS = 8
_SETTLED_S = 60.0


def run(quick: bool = False) -> list[Figure]:
    """One gateway process; the cars' ends in this one."""
    count = 3_000 if quick else 15_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 1_000, count + 1_000))
    with platform() as running, cars_of(running, count) as road:
        first_s = road.connect()
        began = cpu(running)
        links = _settled(running, count)
        for link in list(road.links.values()):
            road.lose(link.index)
        back_s = road.connect()
        spent = {role: used - began.get(role, 0.0) for role, used in cpu(running).items()}
        after = _settled(running, count)
        in_all = road.greeted
    return [
        Figure(name="storm.cars", value=in_all, unit="cars", target=str(count),
               met=in_all == count),
        Figure(name="storm.first_logins", value=round(first_s, 2), unit="s"),
        Figure(name="storm.absorbed", value=round(back_s, 2), unit="s", target="<= 10",
               met=back_s <= 10 and in_all == count),
        Figure(name="storm.links_before", value=links, unit="links", target=str(count),
               met=links == count),
        Figure(name="storm.links_after", value=after, unit="links", target=str(count),
               met=after == count),
        *(
            Figure(name=f"storm.{role}_cpu", value=round(used, 1), unit="s")
            for role, used in sorted(spent.items())
        ),
    ]  # fmt: skip


@contextmanager
def cars_of(running: RunningPlatform, count: int, protocol: str = "mixed") -> Iterator[Road]:
    """Cars that the platform knows, not connected yet."""
    settings = settings_of(running)
    plan = LoadPlan(vehicles=count, tenants=_TENANTS, protocol=protocol, login_timeout_s=120)
    load = Load(plan, gateway_addresses(settings, protocol))

    async def equipped() -> dict[str, str]:
        async with open_fleet(settings) as fleet:
            tenants = await provision(fleet, automakers(_TENANTS))
            return await equip(fleet, load, [tenant.number for tenant in tenants], "bench")

    secrets = asyncio.run(equipped())
    voice = Voice(protocol, load.addresses, secrets=secrets)
    road = Road(
        speech_of(voice, load.fleet),
        count,
        tally=[0.0] * len(TALLY),
        stopped=lambda: False,
        login_timeout_s=120,
    )
    try:
        yield road
    finally:
        road.close()


def settings_of(running: RunningPlatform) -> Settings:
    """The settings the platform runs with."""
    in_force = settings_in_force(running.data)
    if in_force is None:
        raise RuntimeError("the platform has ended")
    return load_settings(in_force, {})


def _settled(running: RunningPlatform, wanted: int) -> int:
    """How many links the platform's table holds, once that is ``wanted`` or does not change."""
    url = settings_of(running).get(FleetConfig).owner_url
    deadline, found = time.monotonic() + _SETTLED_S, -1
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET motorcade.platform = 'on'")
        while time.monotonic() < deadline:
            row = connection.execute(
                "SELECT coalesce(sum(jsonb_array_length(links)), 0) FROM sessions"
            ).fetchone()
            found = row[0] if row else 0
            if found == wanted:
                break
            time.sleep(0.5)
    return found
