"""Where a batch writes: duplicates, order within a second, late rows, owners."""

from __future__ import annotations

from typing import Any

import numpy as np

from motorcade.twin.visit import Visit, handed_over, owners_differ, visit_of

T0_US = 1_750_000_000_000_000


def visit(make: Any, records: list[tuple[int, float]], held: dict[int, int] | None = None) -> Visit:
    batch = make([(vehicle, second, {}) for vehicle, second in records])
    time = np.zeros(100, np.int64)
    for row, second in (held or {}).items():
        time[row] = T0_US + second * 1_000_000
    return visit_of(batch, batch.numpy("vehicle").astype(np.int64), time)


def test_no_vehicle_twice_needs_no_order(make: Any) -> None:
    plain = visit(make, [(9, 0), (3, 1), (5, 2)])
    assert plain.order is None
    assert plain.pick(None) is None
    assert plain.touched.tolist() == [9, 3, 5]
    chosen = plain.pick(np.array([True, False, True]))
    assert chosen is not None
    assert chosen.tolist() == [0, 2]


def test_the_last_of_the_latest_second_is_chosen(make: Any) -> None:
    records = [(9, 5.0), (3, 1.9), (9, 4.0), (3, 1.1), (9, 5.5)]
    several = visit(make, records)
    assert several.touched.tolist() == [3, 9]
    assert several.last is not None
    assert several.last.tolist() == [3, 4]
    assert (several.time - T0_US).tolist() == [1_900_000, 5_500_000]
    chosen = several.pick(np.array([True, True, True, False, False]))
    assert chosen is not None
    assert chosen.tolist() == [1, 0]


def test_late_is_by_the_second(make: Any) -> None:
    assert not visit(make, [(3, 5.0)], {3: 5}).late
    assert visit(make, [(3, 4.9)], {3: 5}).late
    newest = visit(make, [(3, 4.9), (4, 9.0)], {3: 5}).newest
    assert (newest - T0_US).tolist() == [5_000_000, 9_000_000]


def test_owners(make: Any) -> None:
    batch = make([(3, 5, {}), (4, 5, {}), (3, 6, {})], tenant=[7, 7, 8])
    rows = batch.numpy("vehicle").astype(np.int64)
    time, tenant = np.zeros(10, np.int64), np.zeros(10, np.uint32)
    both = visit_of(batch, rows, time)
    assert owners_differ(both, batch.numpy("tenant"), tenant)
    wiped, kept = handed_over(both, batch.numpy("tenant"), time, tenant)
    assert (wiped.tolist(), kept.tolist()) == ([], [1, 2])
    tenant[4] = 9
    time[4] = T0_US + 6_000_000
    wiped, kept = handed_over(both, batch.numpy("tenant"), time, tenant)
    assert (wiped.tolist(), kept.tolist()) == ([], [2])  # an earlier owner's late record
    time[4] = T0_US
    wiped, kept = handed_over(both, batch.numpy("tenant"), time, tenant)
    assert (wiped.tolist(), kept.tolist()) == ([4], [1, 2])
