"""Storing: what the log takes and what it does not, and how many may be at it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from motorcade.api.ingest.intake import Intake, Places
from motorcade.clock import SteerableClock
from motorcade.errors import CapacityError, DependencyError, Invalid, MotorcadeError
from motorcade.limits import API_INLINE_BYTES_MAX
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue

KIND = "application/json"


class Log:
    """A log of two partitions; ``faults`` by partition."""

    partitions = 2

    def __init__(self) -> None:
        self.faults: dict[int, Exception] = {}
        self.rows: list[tuple[int, list[int]]] = []

    async def append(self, partition: int, batches: Sequence[SignalBatch], name: str = "") -> int:
        if partition in self.faults:
            raise self.faults[partition]
        vehicles = [one for batch in batches for one in batch.numpy("vehicle").tolist()]
        self.rows.append((partition, vehicles))
        return 1


class Fleet:
    async def numbers_of(self, tenant: int, vins: Sequence[str]) -> dict[str, int]:
        return {vin: int(vin[1:]) for vin in vins if vin.startswith("A")}


class Parts:
    """As much of ``Services`` as an intake needs."""

    def __init__(self) -> None:
        self.fleet, self.log = Fleet(), Log()
        self.catalogue, self.clock = load_catalogue(), SteerableClock()


def body(*vins: str) -> bytes:
    return json.dumps(
        [{"vin": vin, "ts": 1_767_268_800, "Vehicle.Speed": 1.5} for vin in vins]
    ).encode()


def made() -> tuple[Intake, Log]:
    parts: Any = Parts()
    return Intake(parts), parts.log


async def test_rows_go_to_the_partitions_of_their_vehicles() -> None:
    intake, log = made()
    result = await intake.store(1, KIND, body("A1", "A2", "B9", "A3"))
    assert (result.accepted, result.rejected) == (3, 1)
    assert [(one.line, one.vin, one.code) for one in result.errors] == [(3, "B9", "unknown_vin")]
    assert sorted(log.rows) == [(0, [2]), (1, [1, 3])]


async def test_a_large_body_is_read_beside_the_loop() -> None:
    intake, log = made()
    large = body(*["A1"] * (API_INLINE_BYTES_MAX // 40))
    assert len(large) > API_INLINE_BYTES_MAX
    await intake.store(1, KIND, large)
    assert len(log.rows[0][1]) == API_INLINE_BYTES_MAX // 40


@pytest.mark.parametrize("fault", [DependencyError("The log is away."), CapacityError("Full.")])
async def test_what_the_log_does_not_take_is_told_with_what_it_took(fault: MotorcadeError) -> None:
    intake, log = made()
    log.faults = {1: fault}
    with pytest.raises(DependencyError, match="1 of 3 rows are stored") as caught:
        await intake.store(1, KIND, body("A1", "A2", "A3"))
    assert caught.value.facts == {"stored": 1, "not_stored": 2}
    assert caught.value.status == 503


async def test_a_bug_below_is_not_taken_for_an_outage() -> None:
    intake, log = made()
    log.faults = {1: KeyError("bug")}
    with pytest.raises(KeyError):
        await intake.store(1, KIND, body("A1"))


async def test_nothing_is_stored_of_what_is_no_body() -> None:
    intake, log = made()
    with pytest.raises(Invalid):
        await intake.store(1, KIND, b"{}")
    result = await intake.store(1, KIND, body("B1"))
    assert result.accepted == 0
    assert log.rows == []


async def test_places_are_bounded_for_all_and_for_each() -> None:
    places = Places(3, 2, "things")
    with places.taken(1), places.taken(1):
        with pytest.raises(CapacityError), places.taken(1):
            pass
        with places.taken(2), pytest.raises(CapacityError), places.taken(3):
            pass
        with places.taken(3):
            pass
    with places.taken(1):
        pass


async def test_who_waits_gets_the_place_that_is_left() -> None:
    places = Places(1, 1, "things")
    order: list[str] = []

    async def wait(name: str) -> None:
        async with places.awaited(1):
            order.append(name)
            await asyncio.sleep(0)

    with places.taken(1):
        waiting = [asyncio.create_task(wait(name)) for name in "abc"]
        gone = asyncio.create_task(wait("gone"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*waiting)
    assert sorted(order) == ["a", "b", "c"]
