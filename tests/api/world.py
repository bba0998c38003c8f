"""Two automakers with cars that have reported, on real engines, behind a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa

from engines import start_postgres
from engines_nats import Nats
from motorcade.api.app import build
from motorcade.api.config import Config
from motorcade.api.openapi import finished
from motorcade.api.serve import ApiServer
from motorcade.api.services import Services
from motorcade.apps.forwarding.rules import Rule
from motorcade.apps.forwarding.store import Forwarders
from motorcade.clock import SystemClock
from motorcade.fleet.registry import Config as FleetConfig
from motorcade.fleet.registry import Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.history.reader import HistoryReader
from motorcade.history.writer import HistoryWriter
from motorcade.log.log import Log
from motorcade.log.quarantine import Quarantined
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import quality_codes
from motorcade.twin.reader import TwinReader
from motorcade.twin.writer import TwinWriter

__all__ = ["LATITUDE", "LONGITUDE", "PARTITIONS", "SOC", "SPEED", "World", "device", "vin"]

PARTITIONS = 2
SPEED = "Vehicle.Speed"
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
LONGITUDE = "Vehicle.CurrentLocation.Longitude"
_MINUTE_US = 60_000_000


def device(name: str) -> str:
    """What a tenant's first car is called in compact datagrams."""
    return f"{name}-box".encode().hex()[:16]


def vin(tenant: str, number: int) -> str:
    """A VIN that shows whose it is: ``ALPHA…`` or ``BETA…`` and a number."""
    return f"L{tenant[0].upper()}TEST{number:011d}"


class World:
    """``await start(tmp)``; then ``tokens[tenant][role]``, ``client``, ``report``; ``await
    stop()``."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.catalogue = load_catalogue()
        self._ends = AsyncExitStack()
        self.tokens: dict[str, dict[str, str]] = {}
        self.key_ids: dict[str, str] = {}
        self.credential_ids: dict[str, str] = {}
        self.tenants: dict[str, int] = {}
        self.numbers: dict[str, int] = {}

    async def start(self, directory: Path, config: Config) -> None:
        """Engines, registry, writers, server, and the two tenants' data."""
        ends = self._ends
        self.postgres = await asyncio.to_thread(start_postgres, directory)
        ends.callback(self.postgres.stop)
        self.nats = Nats(directory)
        ends.callback(self.nats.stop)
        await self.nats.start()
        fleet_config = FleetConfig(
            url=self.postgres.app_url, owner_url=self.postgres.url, connect_timeout_s=20.0
        )
        await Fleet.migrate(fleet_config)
        self.fleet = await Fleet.connect(fleet_config, self.clock)
        ends.push_async_callback(self.fleet.close)
        self.log = await Log.connect(self.nats.config(partitions=PARTITIONS), self.clock)
        ends.push_async_callback(self.log.close)
        twin, history = directory / "twin", directory / "history"
        self.twins = [TwinWriter(twin, p, PARTITIONS, self.catalogue) for p in range(PARTITIONS)]
        self.histories = [
            HistoryWriter(history, p, self.catalogue, self.clock) for p in range(PARTITIONS)
        ]
        self.reader = HistoryReader(history, PARTITIONS, self.catalogue, self.clock, self._tail)
        ends.callback(self.reader.close)
        for cells in self.twins:
            ends.callback(cells.close)
        self.services = Services(
            fleet=self.fleet,
            log=self.log,
            twin=TwinReader(twin, PARTITIONS, self.catalogue),
            history=self.reader,
            catalogue=self.catalogue,
            clock=self.clock,
            config=config,
            protocols={"gbt32960": frozenset({SPEED, SOC})},
            metrics=_others,
        )
        self.server = ApiServer(self.services)
        ends.push_async_callback(self.server.stop)
        await self.server.start()
        self.client = httpx.AsyncClient(base_url=self.server.address, timeout=20.0)
        ends.push_async_callback(self.client.aclose)
        await self._populate()

    async def stop(self) -> None:
        """Everything in reverse, as far as it came."""
        await self._ends.aclose()

    def headers(self, whose: str, role: str = "reader") -> dict[str, str]:
        """The Authorization header of a tenant's key."""
        return {"Authorization": f"Bearer {self.tokens[whose][role]}"}

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return finished(build(self.services))

    async def get(
        self, whose: str, path: str, role: str = "reader", **query: Any
    ) -> httpx.Response:
        """A GET with a tenant's key."""
        return await self.client.get(path, params=query, headers=self.headers(whose, role))

    async def report(
        self,
        tenant: str,
        vins: Sequence[str],
        signals: Mapping[str, Sequence[Any]],
        *,
        time_us: int | None = None,
        invalid: str | None = None,
        kind: str = "report",
    ) -> None:
        """One record each for ``vins``, through the log into twin and history."""
        numbers = np.array([self.numbers[one] for one in vins], np.uint64)
        at = self.clock.now_us() if time_us is None else time_us
        for partition in range(PARTITIONS):
            mine = np.flatnonzero(numbers % PARTITIONS == partition)
            if len(mine):
                batch = self._batch(
                    tenant=self.tenants[tenant],
                    numbers=numbers[mine],
                    at=at,
                    invalid=invalid,
                    signals=signals,
                    rows=mine,
                    kind=kind,
                )
                sequence = await self.log.append(partition, [batch])
                self.twins[partition].apply([batch])
                self.histories[partition].add(sequence, [batch])

    def _batch(
        self,
        *,
        tenant: int,
        numbers: Any,
        at: int,
        invalid: str | None,
        signals: Mapping[str, Sequence[Any]],
        rows: Any,
        kind: str,
    ) -> SignalBatch:
        count = len(numbers)
        meta: dict[str, Any] = {
            "tenant": np.full(count, tenant, np.uint32),
            "vehicle": numbers,
            "event_time": np.full(count, at),
            "ingest_time": np.full(count, at),
            "record": np.arange(count, dtype=np.uint64) + np.uint64(at % (1 << 40)),
            "reissued": np.zeros(count, bool),
        }
        if invalid is not None:
            number = self.catalogue[invalid].number
            meta["quality"] = quality_codes(np.arange(count), number, 2, count)
        columns = {
            path: pa.array([values[row] for row in rows], self.catalogue[path].arrow_type)
            for path, values in signals.items()
        }
        return SignalBatch.build(kind, meta, columns)

    async def _populate(self) -> None:
        platform = await self.fleet.create_platform_key("tests")
        self.tokens["platform"] = {"platform": platform.token}
        self.key_ids["platform"] = platform.key.id
        for index, name in enumerate(("alpha", "beta")):
            number = (await self.fleet.create_tenant(name)).number
            self.tenants[name] = number
            self.tokens[name] = {}
            for role in ("reader", "operator", "admin"):
                made = await self.fleet.create_key(number, role, f"{name} {role}")
                self.tokens[name][role] = made.token
                self.key_ids[name] = made.key.id
            vins = [vin(name, n) for n in range(1, 6)]
            rows = [NewVehicle(vin=v, model=f"{name}-model", labels=(name,)) for v in vins]
            await self.fleet.add_vehicles(number, rows)
            self.numbers.update(await self.fleet.numbers_of(number, vins))
            await self.fleet.add_identity(number, vins[0], "device", device(name))
            made_credential = await self.fleet.create_credential(number, vins[0])
            self.credential_ids[name] = made_credential.credential.id
            for minute in (3, 2, 1):
                await self._drive(name, vins, index, minute)
            await self._forward(name, number)
            await self.log.quarantine(
                [
                    Quarantined(
                        time_us=self.clock.now_us(), tenant=number, protocol="gbt32960",
                        peer="127.0.0.1:1", vin=vins[0], code="garbage",
                        reason=f"garbage of {name}", data=name.encode(),
                    )
                ]
            )  # fmt: skip

    async def _forward(self, name: str, number: int) -> None:
        """A forwarder that no worker runs, called as its tenant."""
        rule = Rule(kind="webhook", target={"url": f"https://{name}-hook.example/"})
        store = Forwarders(self.fleet.store, self.clock)
        await store.create(number, name, rule, {"secret": f"{name}-hook-secret"}, paused=True)

    async def _drive(self, name: str, vins: list[str], index: int, minute: int) -> None:
        """Cars of alpha near Shanghai at 40 km/h and more, those of beta near Beijing."""
        place = ((31.2, 121.4), (39.9, 116.4))[index]
        count = len(vins)
        await self.report(
            name,
            vins,
            {
                SPEED: [40.1 + 10 * n - minute for n in range(count)],
                LATITUDE: [place[0] + n / 1000 for n in range(count)],
                LONGITUDE: [place[1] + n / 1000 for n in range(count)],
            },
            time_us=self.clock.now_us() - minute * _MINUTE_US,
            invalid=SOC if minute == 1 else None,
        )

    async def _tail(self, partition: int, payload: bytes) -> bytes:
        return await self.histories[partition].answer_tail(payload)


async def _others() -> str:
    return (
        "# TYPE motorcade_gateway_frames_total counter\n"
        'motorcade_gateway_frames_total{tenant="alpha"} 5\nmotorcade_gateway_sessions 2\n'
    )
