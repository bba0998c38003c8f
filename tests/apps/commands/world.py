"""A registry, a log, vehicles behind a fake gateway, and the commands service as in a worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engines_nats import until
from motorcade.apps.commands.asking import Asked, ask
from motorcade.apps.commands.config import Config
from motorcade.apps.commands.desk import Desk
from motorcade.apps.commands.row import Row
from motorcade.apps.commands.service import CommandsService
from motorcade.apps.commands.waking import Wake
from motorcade.clock import SystemClock
from motorcade.fleet.config import Config as FleetConfig
from motorcade.fleet.registry import Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.log.downlink import (
    Downlink,
    Downlinked,
    down_subject,
    pack_downlinked,
    read_downlinks,
)
from motorcade.log.events import CommandAnswered
from motorcade.log.log import Log
from motorcade.node.events import EventReader
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.words import as_stored

__all__ = ["CATALOGUE", "FakeGateway", "FakeLink", "FakeLinks", "Serving", "World", "vin"]

CATALOGUE = load_catalogue()
PATH = "Vehicle.Command."


def vin(number: int) -> str:
    """A VIN of a number."""
    return f"LNCMD{number:012d}"


@dataclass(frozen=True)
class FakeLink:
    """A link as the sessions app tells it."""

    link: str
    incarnation: str = "g.1"
    protocol: str = "jt808"
    bearer: str = "lte"
    reachable: bool = True


class FakeLinks:
    """The sessions app, as far as commands need it."""

    def __init__(self) -> None:
        self._links: dict[int, list[FakeLink]] = {}
        self._callbacks: list[Callable[[int, Any], None]] = []

    def links(self, vehicle: int) -> Sequence[FakeLink]:
        return self._links.get(vehicle, ())

    def on_link(self, callback: Callable[[int, Any], None]) -> None:
        self._callbacks.append(callback)

    def forget_callbacks(self) -> None:
        """The service ended."""
        self._callbacks.clear()

    def up(self, vehicle: int, link: FakeLink) -> None:
        """A vehicle can be reached."""
        self._links.setdefault(vehicle, []).append(link)
        for callback in self._callbacks:
            callback(vehicle, link)

    def down(self, vehicle: int, link: str) -> None:
        """A link ends."""
        self._links[vehicle] = [one for one in self.links(vehicle) if one.link != link]


class FakeGateway:
    """A gateway with vehicles that honour numbers: a command heard twice is done once, and
    answered twice. ``plan(downlink)`` says what becomes of one; ``answers`` what the vehicle
    says."""

    def __init__(self, log: Log, tenant: int, incarnation: str = "g.1") -> None:
        self.log = log
        self.tenant = tenant
        self.incarnation = incarnation
        self.heard: list[Downlink] = []
        self.done: dict[tuple[int, int], int] = {}
        """Vehicle and number to how often it was really done."""
        self.requests = 0
        self.plan: Callable[[Downlink], str] = lambda _: "sent"
        self.answers: Callable[[Downlink], Sequence[str]] = lambda _: ("succeeded",)
        self.facts: dict[str, Any] = {}
        self.hangs = False
        self._served: Any = None

    async def start(self) -> None:
        self._served = await self.log.serve(down_subject(self.incarnation), self._take)

    async def stop(self) -> None:
        if self._served is not None:
            await self._served.close()
            self._served = None

    def of(self, vehicle: int) -> list[Downlink]:
        """What a vehicle heard."""
        return [one for one in self.heard if one.vehicle == vehicle]

    async def answer(
        self, vehicle: int, number: int, outcome: str, *, link: str = "l", at_us: int = 0
    ) -> None:
        """A vehicle says something."""
        event = CommandAnswered(
            vehicle=vehicle, tenant=self.tenant, link=link, protocol="jt808", key=f"808:{number}",
            outcome=outcome, code="ok" if outcome != "failed" else "refused", detail="",
            facts=self.facts, at_us=at_us or SystemClock().now_us(),
        )  # fmt: skip
        await self.log.post(vehicle % self.log.partitions, [event])

    async def _take(self, payload: bytes) -> bytes:
        downlinks = read_downlinks(payload)
        self.requests += 1
        said: list[Downlinked] = []
        events: dict[int, list[CommandAnswered]] = {}
        for one in downlinks:
            code = self.plan(one)
            key = f"808:{one.command.number}"
            said.append(Downlinked(code=code, detail=f"it is {code}", key=key))  # type: ignore[arg-type]
            if code != "sent":
                continue
            self.heard.append(one)
            before = self.done.get((one.vehicle, one.command.number), 0)
            self.done[one.vehicle, one.command.number] = max(before, 1)
            for outcome in self.answers(one):
                event = CommandAnswered(
                    vehicle=one.vehicle, tenant=self.tenant, link=one.link, protocol="jt808",
                    key=key, outcome=outcome, code="ok" if outcome != "failed" else "refused",
                    detail="", facts=self.facts, at_us=SystemClock().now_us(),
                )  # fmt: skip
                events.setdefault(one.vehicle % self.log.partitions, []).append(event)
        for partition, of in events.items():
            await self.log.post(partition, of)
        if self.hangs:
            await asyncio.sleep(60)
        return pack_downlinked(said)


class Serving(CommandsService):
    """The service; ``ended`` holds what ended it."""

    ended: list[BaseException]

    async def run(self) -> None:
        self.ended = []
        try:
            await super().run()
        except Exception as error:
            self.ended.append(error)
            raise


class World:
    """Two tenants; ``vehicles[n]`` are numbers of the first's."""

    def __init__(self, fleet: Fleet, fleet_config: FleetConfig, log: Log) -> None:
        self.fleet = fleet
        self.fleet_config = fleet_config
        self.log = log
        self.clock = SystemClock()
        self.links = FakeLinks()
        self.desk = Desk(fleet.store, log, self.clock, log.partitions)
        self.config = Config(
            poll_s=0.2, gateway_timeout_s=1.0, backoff_first_s=0.2, backoff_max_s=0.5,
            busy_s=0.1, policy_refresh_s=0.1,
        )  # fmt: skip
        self.tenant = self.other = 0
        self.vehicles: dict[int, int] = {}
        self.strangers: dict[int, int] = {}
        self._ends = contextlib.AsyncExitStack()

    async def populate(self) -> None:
        self.tenant = (await self.fleet.create_tenant("alpha")).number
        self.other = (await self.fleet.create_tenant("beta")).number
        self.vehicles = await self.register(self.tenant, 1, 10)
        self.strangers = await self.register(self.other, 101, 2)

    async def register(self, tenant: int, first: int, count: int) -> dict[int, int]:
        """Vehicles by the number of their VIN."""
        rows = [NewVehicle(vin=vin(n), labels=("new",)) for n in range(first, first + count)]
        await self.fleet.add_vehicles(tenant, rows)
        numbers = await self.fleet.numbers_of(tenant, [row.vin for row in rows])
        return {n: numbers[vin(n)] for n in range(first, first + count)}

    async def stop(self) -> None:
        await self._ends.aclose()

    async def gateway(self, incarnation: str = "g.1") -> FakeGateway:
        """A gateway, until the test's end."""
        gateway = FakeGateway(self.log, self.tenant, incarnation)
        await gateway.start()
        self._ends.push_async_callback(gateway.stop)
        return gateway

    @contextlib.asynccontextmanager
    async def serving(
        self, log: Log | None = None, wake: Wake | None = None, *, ends: bool = False
    ) -> AsyncIterator[Serving]:
        """The service and its reader of events, in this process. ``ends``: it is expected to."""
        log = log or self.log
        partitions = range(log.partitions)
        service = Serving(
            self.fleet.store, log, self.links, CATALOGUE,
            clock=self.clock, partitions=partitions, config=self.config, wake=wake,
        )  # fmt: skip
        await service.start()
        reader = EventReader(log, partitions, [service], self.clock.now_us)
        tasks = [asyncio.create_task(service.run()), asyncio.create_task(reader.run())]
        try:
            yield service
            for task in tasks:
                if task.done() and not ends:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.links.forget_callbacks()

    def ask(self, kind: str = "lock", **more: Any) -> Asked:
        """A command to make."""
        parameters = more.pop("parameters", {})
        return ask(kind, parameters, CATALOGUE, self.clock.now_us(), **more)

    async def add(self, vehicle: int, kind: str = "lock", **more: Any) -> Row:
        """A command made."""
        return await self.desk.add(self.tenant, vehicle, self.ask(kind, **more))

    async def until_state(self, command: UUID, *states: str, within_s: float = 15.0) -> Row:
        """Wait until a command is in one of the states."""
        found: list[Row] = []

        async def there() -> bool:
            found[:] = [await self.desk.get(self.tenant, command)]
            return found[0].state in states

        try:
            await until(there, within_s)
        except TimeoutError as error:
            raise AssertionError(f"it is {found}") from error
        return found[0]

    async def told(self) -> list[dict[str, Any]]:
        """Every row of kind event the log holds."""
        rows: list[dict[str, Any]] = []
        for partition in range(self.log.partitions):
            last = await self.log.last_sequence(partition)
            async with self.log.consume(partition, 0) as records:
                while records.position < last:
                    for batch in (await anext(records)).batches:
                        if batch.kind == "event":
                            rows += as_stored(batch.data, CATALOGUE).to_pylist()
        return rows

    async def states_told(self, command: UUID) -> list[str]:
        """The states of a command the log tells, in order of their times."""
        rows = [row for row in await self.told() if row[PATH + "Id"] == command.hex]
        identities = {(row["vehicle"], row["event_time"], row["record"]): row for row in rows}
        ordered = sorted(identities.values(), key=lambda row: row["event_time"])
        return [row[PATH + "State"] for row in ordered]
