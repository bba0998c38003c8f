"""Load: simulated cars of many automakers, logged in and driving over real sockets.

In: a ``LoadPlan``, a loopback address, an account a tenant where connections are shared. Out: a
``LoadReport``, and how far it is while it runs. The driving is done by child processes, which end
with their parent; ``stop`` ends them early with a report.
"""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import socket
from collections.abc import Mapping, Sequence
from itertools import pairwise
from multiprocessing.sharedctypes import RawArray
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from motorcade.addresses import shown_address
from motorcade.clock import SystemClock
from motorcade.errors import DependencyError, Invalid
from motorcade.simulator.automakers import AUTOMAKERS_MAX
from motorcade.simulator.fleet import CarFleet, build_fleet
from motorcade.simulator.layouts import layouts_of
from motorcade.simulator.road import TALLY
from motorcade.simulator.slice import Slice, drive_slice
from motorcade.simulator.voices import Voice, protocols_of

__all__ = ["Load", "LoadPlan", "LoadReport", "Progress", "check_listens", "check_target"]

_VEHICLES_MAX: Final = 1_000_000
"""Simulated cars: their parameters take about 110 bytes each."""

_CONNECTIONS_MAX: Final = 25_000
"""Connections to one address: Linux gives one address some 28,000 ports to call from."""

_SECONDS_MAX: Final = 86_400.0
_PLATFORM_LOGIN_S: Final = 0.3
"""Time allowed for a platform's login on top: checking a password is made to be slow, and one
after the other."""

_CONNECT_S: Final = 5.0
_PAST_S_MAX: Final = 7 * 86_400.0
_RATE_MAX: Final = 2_000_000.0
_HOPS_MAX: Final = 1_000.0
_FRAMES_PER_SEND_MAX: Final = 100
_PROCESSES_MAX: Final = 32

_OPEN_LOOP_WINDOW: Final = 8
"""Unanswered sends of a connection in open loop; a platform that is further behind has sends
skipped, and the report says how many."""

_PAST_WINDOW: Final = 64
"""The same where cars send their past: it is to be whole, and its delay tells nothing."""


class LoadPlan(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What to drive."""

    vehicles: int = 2000
    """Cars."""
    rate: float = 0.0
    """Frames a second over all cars; 0: each connection sends when it was answered."""
    connections: int = 0
    """TCP connections; 0 is one a car. Fewer than cars: platform links, each of one tenant."""
    seconds: float = 30.0
    """How long to send; 0: until it is stopped."""
    frames_per_send: int = 1
    """Frames of one car in a row; more than one is sent as re-issued (03)."""
    tenants: int = 92
    """Automakers the cars belong to; fewer where there are fewer cars or platform links."""
    processes: int = 1
    """Processes that drive."""
    target: str | None = None
    """``HOST:PORT`` on this machine; null: the gateway of the data directory."""
    protocol: str = "gbt32960"
    """``gbt32960``, ``jt808``, ``mqtt``, ``iridium`` (or ``satellite``), ``compact``, or
    ``mixed``: the first three side by side."""
    edition: str = "2016"
    """GB/T 32960 of ``2016`` or ``2025``, or ``mixed``: both, in several layouts, with cell lists
    now and then."""
    hops: float = 0.0
    """Cars a second that change from LTE to 5G or back (MQTT)."""
    past_s: float = 0.0
    """Where set, cars re-issue so many seconds of their past, at ``rate`` and for ``seconds``."""
    seed: int | None = None
    """What the cars are drawn from; null: the time, so that no two runs say the same."""
    login_timeout_s: float = 60.0
    """How long logins may take before driving begins without those that are not in."""

    def checked(self) -> LoadPlan:
        """The plan with its defaults worked out; ``Invalid`` names what is out of bounds."""
        _bounds("vehicles", self.vehicles, 1, _VEHICLES_MAX)
        connections = self.connections or self.vehicles
        _bounds("connections", connections, 1, min(_CONNECTIONS_MAX, self.vehicles))
        _bounds("rate", self.rate, 0, _RATE_MAX)
        _bounds("seconds", self.seconds, 0, _SECONDS_MAX)
        _bounds("past_s", self.past_s, 0, _PAST_S_MAX)
        if self.past_s and not (self.rate and self.seconds):
            raise Invalid("past_s needs a rate and seconds")
        _bounds("frames_per_send", self.frames_per_send, 1, _FRAMES_PER_SEND_MAX)
        _bounds("processes", self.processes, 1, _PROCESSES_MAX)
        _bounds("tenants", self.tenants, 1, AUTOMAKERS_MAX)
        _bounds("hops", self.hops, 0, _HOPS_MAX)
        layouts_of(self.edition)
        speak = protocols_of(self.protocol)
        if connections < self.vehicles and speak not in (("gbt32960",), ("iridium",)):
            raise Invalid(f"cars that speak {self.protocol} have connections of their own")
        return msgspec.structs.replace(
            self,
            protocol=self.protocol if self.protocol == "mixed" else speak[0],
            connections=connections,
            tenants=min(self.tenants, self.vehicles, connections),
            processes=min(self.processes, connections),
            seed=SystemClock().now_us() % (1 << 32) if self.seed is None else self.seed,
        )

    @property
    def needs_accounts(self) -> bool:
        """Whether connections are platform links of GB/T 32960."""
        return self.protocol == "gbt32960" and 0 < self.connections < self.vehicles


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is: connections logged in now, answers of all kinds, connections lost."""

    connections: int
    logged_in: int
    acknowledged: int
    refused: int
    skipped: int
    closed: int
    commands: int = 0
    hops: int = 0


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Counts are frames unless said otherwise. ``acknowledged`` frames were
    answered with success, ``refused`` otherwise, ``lost`` were sent and not answered; ``skipped``
    sends were never sent because the connection was not there or too far behind. ``commands`` were
    obeyed, ``repeated`` heard again and not obeyed twice; ``hops``: changes of access network.
    Latencies are from when a send was due (open loop) or sent to its last answer."""

    protocol: str
    vehicles: int
    tenants: int
    connections: int
    links: str
    seconds: float
    sent: int
    acknowledged: int
    acknowledged_per_s: float
    refused: int
    lost: int
    skipped: int
    closed: int
    logins: int
    refused_logins: int
    logins_per_s: float
    commands: int
    repeated: int
    hops: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_s: float


def check_target(host: str) -> str:
    """``host`` as a loopback address (127.0.0.0/8 or ::1); ``Invalid`` for every other: load is
    for machines of one's own."""
    name = host.strip("[]")
    if name == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise Invalid(
            f"load drives this machine only: {host!r} is not in 127.0.0.0/8 nor ::1;"
            " run it beside the gateway"
        )
    return str(address)


def check_listens(address: tuple[str, int]) -> None:
    """``DependencyError`` where nothing listens at the address: no login need be waited for."""
    host, port = check_target(address[0]), address[1]
    try:
        socket.create_connection((host, port), _CONNECT_S).close()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        shown = shown_address(host, port)
        raise DependencyError(f"no gateway listens at {shown}: {reason}") from error


class Load:
    """One run: ``start``, then ``wait`` for the report; ``progress`` and ``stop`` in between."""

    def __init__(
        self,
        plan: LoadPlan,
        address: tuple[str, int] | Mapping[str, tuple[str, int]],
        accounts: Sequence[tuple[str, str]] = (),
        *,
        secrets: Mapping[str, str] | None = None,
        fleet: CarFleet | None = None,
    ) -> None:
        """``address``: where cars connect, or that of each protocol; ``accounts``: user and
        password of each tenant, where connections are platform links; ``secrets``: tokens or keys
        by VIN; ``fleet``: the cars, where they are not to be made from the plan."""
        self.plan = plan.checked()
        self.fleet = fleet or build_fleet(
            self.plan.vehicles,
            self.plan.tenants,
            self.plan.connections,
            seed=self.plan.seed or 0,
            layouts=layouts_of(self.plan.edition),
        )
        if self.plan.needs_accounts and len(accounts) < self.plan.tenants:
            raise Invalid("platform links need an account of every tenant")
        self.accounts = list(accounts)
        self.secrets = secrets or {}
        speak = protocols_of(self.plan.protocol)
        given = address if isinstance(address, Mapping) else dict.fromkeys(speak, address)
        self.addresses = {name: (check_target(given[name][0]), given[name][1]) for name in speak}
        self._tallies = [RawArray("d", len(TALLY)) for _ in range(self.plan.processes)]
        self._stop = RawArray("b", 1)
        self._barrier: Any = None
        self._children: list[Any] = []
        self._pipes: list[Any] = []

    def start(self) -> None:
        """Start the processes; they connect, log in, and drive once all are in."""
        context = multiprocessing.get_context("spawn")
        # Kept: what the children wait on lives as long as this process refers to it.
        self._barrier = barrier = context.Barrier(self.plan.processes)
        total, parts = self.plan.connections, self.plan.processes
        edges = [total * part // parts for part in range(parts + 1)]
        for tally, (first, last) in zip(self._tallies, pairwise(edges), strict=True):
            ours, theirs = context.Pipe(duplex=False)
            arguments = (self._slice(first, last), barrier, tally, self._stop, theirs)
            child = context.Process(target=drive_slice, args=arguments, daemon=True)
            child.start()
            theirs.close()
            self._children.append(child)
            self._pipes.append(ours)

    def progress(self) -> Progress:
        """Sums of what the processes have counted so far."""
        sums = dict(zip(TALLY, np.sum([list(t) for t in self._tallies], axis=0), strict=True))
        return Progress(
            connections=self.plan.connections,
            logged_in=int(sums["greeted"]),
            acknowledged=int(sums["answers"] - sums["refused"]),
            refused=int(sums["refused"]),
            skipped=int(sums["skipped"]),
            closed=int(sums["closed"]),
            commands=int(sums["commands"]),
            hops=int(sums["hops"]),
        )

    def stop(self) -> None:
        """Have the processes end; ``wait`` returns within seconds."""
        self._stop[0] = 1

    def wait(self) -> LoadReport:
        """Block until every process has reported. ``DependencyError`` where nothing could log
        in."""
        parts = [_received(pipe) for pipe in self._pipes]
        for child in self._children:
            child.join()
        failed = [part for part in parts if isinstance(part, str)]
        if failed:
            raise DependencyError(failed[0])
        return self._merged([part for part in parts if not isinstance(part, str)])

    def _slice(self, first: int, last: int) -> Slice:
        plan = self.plan
        share = plan.rate / plan.frames_per_send * (last - first) / plan.connections
        links = plan.needs_accounts
        return Slice(
            fleet=self.fleet.part(first, last),
            voice=self._voice(first, last),
            rate_sends_s=share,
            real_time=0 < plan.rate <= plan.vehicles,
            past_s=plan.past_s,
            seconds=plan.seconds,
            window=_window(plan),
            login_timeout_s=plan.login_timeout_s
            + (_PLATFORM_LOGIN_S * plan.connections if links else 0),
            hops_s=plan.hops * (last - first) / plan.connections,
        )

    def _voice(self, first: int, last: int) -> Voice:
        plan, fleet = self.plan, self.fleet
        cars = range(int(fleet.starts[first]), int(fleet.starts[last]))
        secrets = self.secrets
        if secrets and plan.processes > 1:
            vins = [fleet.vin(car) for car in cars]
            secrets = {vin: secrets[vin] for vin in vins if vin in secrets}
        return Voice(
            protocol=plan.protocol,
            addresses=self.addresses,
            first=cars.start,
            accounts=self.accounts if plan.needs_accounts else [],
            secrets=secrets,
            frames_per_send=plan.frames_per_send,
            reissued=plan.past_s > 0,
        )

    def _merged(self, parts: Sequence[tuple[dict[str, Any], NDArray[np.float64]]]) -> LoadReport:
        facts = [part[0] for part in parts]
        latencies = np.concatenate([part[1] for part in parts]) * 1000.0
        p50, p99, p999 = np.percentile(latencies, [50, 99, 99.9]) if len(latencies) else [0.0] * 3
        total = {name: sum(fact[name] for fact in facts) for name in facts[0]}
        seconds = max(fact["seconds"] for fact in facts)
        login_s = max(fact["login_s"] for fact in facts)
        acknowledged = total["answers"] - total["refused"]
        return LoadReport(
            protocol=self.plan.protocol,
            vehicles=self.plan.vehicles,
            tenants=self.plan.tenants,
            connections=self.plan.connections,
            links="platform" if self.plan.needs_accounts else "terminal",
            seconds=round(seconds, 3),
            sent=total["sends"] * self.plan.frames_per_send,
            acknowledged=acknowledged,
            acknowledged_per_s=round(acknowledged / seconds, 1) if seconds else 0.0,
            refused=total["refused"],
            lost=total["lost"],
            skipped=total["skipped"],
            closed=total["closed"],
            logins=total["logins"],
            refused_logins=total["refused_logins"],
            logins_per_s=round(total["first_logins"] / login_s, 1) if login_s else 0.0,
            commands=total["commands"],
            repeated=total["repeated"],
            hops=total["hops"],
            p50_ms=round(float(p50), 2),
            p99_ms=round(float(p99), 2),
            p999_ms=round(float(p999), 2),
            cpu_s=round(total["cpu_s"], 2),
        )


def _window(plan: LoadPlan) -> int:
    if plan.past_s:
        return max(1, _PAST_WINDOW // plan.frames_per_send)
    return _OPEN_LOOP_WINDOW if plan.rate else 1


def _bounds(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise Invalid(f"{name} is {low:g} to {high:g}, not {value:g}")


def _received(pipe: Any) -> tuple[dict[str, Any], NDArray[np.float64]] | str:
    try:
        part: tuple[dict[str, Any], NDArray[np.float64]] | str = pipe.recv()
    except EOFError:
        return "a load process ended without a report"
    return part
