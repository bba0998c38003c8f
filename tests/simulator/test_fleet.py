"""Cars, tenants and connections are shared out without a gap."""

from __future__ import annotations

import numpy as np

from motorcade.fleet.vin import valid
from motorcade.simulator.fleet import CarFleet, build_fleet
from motorcade.simulator.layouts import MIXED


def _fleet(vehicles: int, tenants: int, connections: int) -> CarFleet:
    return build_fleet(vehicles, tenants, connections, seed=1, layouts=MIXED)


def test_vins_are_distinct_right_and_their_makers() -> None:
    fleet = _fleet(1_000, 92, 1_000)
    vins = [fleet.vin(car) for car in range(1_000)]
    assert len(set(vins)) == 1_000
    assert all(valid(vin, check=True) for vin in vins)
    assert [vin[:3] for vin in vins] == [fleet.makers[t].wmi for t in fleet.tenant.tolist()]


def test_a_connection_speaks_for_one_tenant() -> None:
    fleet = _fleet(1_000, 9, 40)
    assert fleet.starts[0] == 0
    assert fleet.starts[-1] == 1_000
    assert (np.diff(fleet.starts) > 0).all()
    for first, last in zip(fleet.starts[:-1], fleet.starts[1:], strict=True):
        assert len(set(fleet.tenant[first:last].tolist())) == 1


def test_parts_together_are_the_whole() -> None:
    fleet = _fleet(100, 5, 20)
    parts = [fleet.part(0, 7), fleet.part(7, 20)]
    assert np.array_equal(np.concatenate([part.vins for part in parts]), fleet.vins)
    assert sum(len(part.starts) - 1 for part in parts) == 20
    assert parts[1].starts[0] == 0
    assert parts[1].starts[-1] == len(parts[1].cars)


def test_a_car_keeps_its_vin_in_a_larger_fleet() -> None:
    assert _fleet(200, 1, 200).vin(7) == _fleet(20, 1, 20).vin(7)
