"""What cars send can be read, says what the car said, and never repeats an event time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from motorcade.protocols.gbt32960 import cut, decode
from motorcade.simulator.fleet import CarFleet, build_fleet
from motorcade.simulator.layouts import LAYOUTS, MIXED, Layout
from motorcade.simulator.speech.gbt32960 import Gbt32960Speech
from motorcade.simulator.traffic import Schedule, Traffic

_AT = 1_763_800_000_000_000


def _traffic(fleet: CarFleet, schedule: Schedule, many: int = 1) -> Traffic:
    speech = Gbt32960Speech(fleet, ("", 0), frames_per_send=many)
    return Traffic(fleet, schedule, speech, many)


def _fleet(cars: int, connections: int, layouts: tuple[Layout, ...]) -> CarFleet:
    return build_fleet(cars, len(layouts), connections, seed=1, layouts=layouts)


@pytest.fixture(params=[1, 10])
def mixed(request: pytest.FixtureRequest) -> Iterator[tuple[Traffic, CarFleet, int]]:
    fleet = _fleet(60, 60, MIXED)
    traffic = _traffic(fleet, Schedule(_AT, 1e6 * request.param), request.param)
    yield traffic, fleet, request.param
    traffic.close()


def test_every_frame_can_be_read(mixed: tuple[Traffic, CarFleet, int]) -> None:
    traffic, _, many = mixed
    sends = [send for block in range(2) for sends in traffic.encode(block) for send in sends]
    found = cut([b"".join(sends)])
    assert not found.rejects
    assert len(found.frames) == len(sends) * many
    decoded = decode(found.frames, _AT)
    assert not decoded.rejects
    assert sum(len(batch) for batch in decoded.batches) == len(found.frames)
    commands = found.frames.buffer[found.frames.offset + 2]
    assert set(commands.tolist()) == {2 if many == 1 else 3}


def test_no_car_repeats_an_event_time(mixed: tuple[Traffic, CarFleet, int]) -> None:
    traffic, _, _ = mixed
    sends = [send for block in range(2) for sends in traffic.encode(block) for send in sends]
    frames = cut([b"".join(sends)]).frames
    heads = [
        (frames.bytes_of(row)[4:21], frames.bytes_of(row)[24:30]) for row in range(len(frames))
    ]
    assert len(set(heads)) == len(heads)


def test_values_are_the_cars() -> None:
    fleet = _fleet(20, 20, (LAYOUTS[2016],))
    traffic = _traffic(fleet, Schedule(_AT, 1e6))
    frames = cut([b"".join(traffic.send(3, car) for car in range(20))]).frames
    traffic.close()
    batch = decode(frames, _AT).batches[0]
    said = fleet.cars.columns(_AT + 3_000_000)
    assert batch.data.column("event_time").to_pylist()[0].timestamp() * 1e6 == _AT + 3_000_000
    for path in said:
        if path in batch.paths:
            assert np.allclose(np.asarray(batch.column(path)), said[path], atol=1e-6), path
    assert len(set(said) & set(batch.paths)) >= 25


def test_cars_of_a_connection_take_turns() -> None:
    fleet = _fleet(6, 2, (LAYOUTS[2016],))
    traffic = _traffic(fleet, Schedule(_AT, 1e6))
    spoken = [traffic.send(number, 1)[4:21] for number in range(6)]
    traffic.close()
    assert spoken[:3] == [fleet.vins[car].tobytes() for car in (3, 4, 5)]
    assert spoken[3:] == spoken[:3]


def test_long_reports_come_now_and_then() -> None:
    fleet = _fleet(40, 40, (Layout(2016, (1, 2, 5, 6, 7), (8, 9), 10),))
    traffic = _traffic(fleet, Schedule(_AT, 1e6))
    sizes = [len(traffic.send(number, 0)) for number in range(20)]
    traffic.close()
    assert sum(size > 250 for size in sizes) == 2


def test_old_rounds_are_let_go() -> None:
    fleet = _fleet(2, 2, (LAYOUTS[2016],))
    traffic = _traffic(fleet, Schedule(_AT, 1e6))
    for number in range(1_000):
        traffic.send(number, 0)
    assert 0 < traffic.oldest < 1_000
    assert traffic.send(traffic.oldest, 1)
    traffic.close()


def test_a_schedule_spreads_event_times_over_a_round() -> None:
    schedule = Schedule(_AT, 4e6, 2e6)
    assert schedule.times(np.array([0, 0, 1]), np.array([0, 1, 0])).tolist() == [
        _AT,
        _AT + 2_000_000,
        _AT + 4_000_000,
    ]
