"""Vehicles: pages that lose nobody, filters, and that a tenant sees its own alone."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from motorcade.clock import SteerableClock
from motorcade.errors import Invalid, NotFound
from motorcade.fleet.registry import Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.fleet.store import moment
from motorcade.fleet.vehicles import VehicleFilter
from motorcade.fleet.vin import build

pytestmark = pytest.mark.engines

A = build(np.random.default_rng(5), "LSV", 25)
B = build(np.random.default_rng(5), "LFV", 25)


async def _fill(fleet: Fleet) -> None:
    for name in ("a", "b"):
        await fleet.create_tenant(name)
    for n in range(25):
        label = ("even",) if n % 2 == 0 else ()
        first = NewVehicle(vin=A[n], model=f"M{n % 3}", plate=f"京A_{n:02d}%", labels=label)
        await fleet.add_vehicles(1, [first])
        await fleet.add_vehicles(2, [NewVehicle(vin=B[n], model="M0")])


async def test_pages_lose_nobody(fleet: Fleet) -> None:
    await _fill(fleet)
    vins: list[str] = []
    cursor = None
    while True:
        page = await fleet.vehicles(1, cursor=cursor, limit=7)
        vins += [vehicle.vin for vehicle in page.vehicles]
        if page.cursor is None:
            break
        cursor = page.cursor
        await fleet.remove_vehicle(1, vins[-1])  # the page's last one goes; the next still follows
    assert vins == A
    assert (await fleet.vehicles(1, limit=22)).cursor is None


@pytest.mark.parametrize("cursor", ["", "!", "AAAAAAAAAAAAAAAA", "é", "_____________"])
async def test_cursors_nobody_gave_out(fleet: Fleet, cursor: str) -> None:
    with pytest.raises(Invalid):
        await fleet.vehicles(1, cursor=cursor)
    with pytest.raises(Invalid):
        await fleet.vehicles(1, limit=0)


async def test_filters_and_search(fleet: Fleet, clock: SteerableClock) -> None:
    await _fill(fleet)
    clock.advance(60)
    late = moment(clock)
    extra = build(np.random.default_rng(9), "WVW", 1)[0]
    await fleet.add_vehicles(1, [NewVehicle(vin=extra, model="ID.7 Tourer")])

    async def found(where: VehicleFilter) -> list[str]:
        return [vehicle.vin for vehicle in (await fleet.vehicles(1, where)).vehicles]

    assert await found(VehicleFilter(vin_prefix="wvw")) == [extra]
    assert await found(VehicleFilter(vin_prefix=A[3])) == [A[3]]
    assert await found(VehicleFilter(vin_prefix="LFV")) == []
    assert await found(VehicleFilter(model="M1")) == A[1::3]
    assert await found(VehicleFilter(label="even")) == A[::2]
    assert await found(VehicleFilter(label="even", model="M0")) == A[::6]
    assert await found(VehicleFilter(registered_after=late)) == [extra]
    assert await found(VehicleFilter(registered_before=late)) == A
    assert await found(VehicleFilter(registered_before=late - timedelta(hours=1))) == []
    assert await found(VehicleFilter(q="tourer")) == [extra]
    assert await found(VehicleFilter(q=A[7].lower())) == [A[7]]
    assert await found(VehicleFilter(q=A[7][9:].lower())) == [A[7]]
    assert await found(VehicleFilter(q="京a_07%")) == [A[7]]
    assert await found(VehicleFilter(q="京AX07")) == []
    assert await found(VehicleFilter(q="%")) == A
    assert await found(VehicleFilter(q=B[7])) == []
    for odd in ("'; DROP TABLE vehicles; --", "\\", "%s"):
        assert await found(VehicleFilter(q=odd, label=odd, model=odd, vin_prefix=odd)) == []


@pytest.mark.parametrize("field", ["q", "label", "model", "vin_prefix"])
async def test_text_that_no_database_takes(fleet: Fleet, field: str) -> None:
    with pytest.raises(Invalid):
        await fleet.vehicles(1, VehicleFilter(**{field: "a\0b"}))


async def test_one_vehicle(fleet: Fleet) -> None:
    await _fill(fleet)
    vehicle = await fleet.vehicle(1, A[4].lower())
    assert (vehicle.vin, vehicle.tenant, vehicle.labels) == (A[4], 1, ["even"])
    for call in (fleet.vehicle, fleet.remove_vehicle):
        with pytest.raises(NotFound):
            await call(2, A[4])
    await fleet.remove_vehicle(1, A[4])
    with pytest.raises(NotFound):
        await fleet.vehicle(1, A[4])
    again = await fleet.add_vehicles(2, [NewVehicle(vin=A[4])])
    assert again.first == 51  # its old number, and what is stored under it, stays the first owner's


async def test_numbers_and_vins_of_a_tenant(fleet: Fleet, clock: SteerableClock) -> None:
    await _fill(fleet)
    for _ in range(2):  # the second time from memory
        numbers = await fleet.numbers_of(1, [*A[:3], B[0], "nobody"])
        assert numbers == {A[0]: 1, A[1]: 3, A[2]: 5}
        assert await fleet.vins_of(1, np.array([1, 2, 3, 99])) == {1: A[0], 3: A[1]}
        assert await fleet.vins_of(2, [1, 2]) == {2: B[0]}
    await fleet.remove_vehicle(1, A[0])
    assert await fleet.numbers_of(1, [A[0]]) == {}
    assert await fleet.vins_of(1, [1]) == {}
