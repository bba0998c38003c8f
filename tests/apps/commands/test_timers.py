"""Moments, and the tries that are out."""

from __future__ import annotations

from uuid import UUID

import msgspec

from apps.commands.test_life import row
from motorcade.apps.commands.flights import Flight, Flights
from motorcade.apps.commands.timers import Timers

ONE, TWO = UUID(int=1), UUID(int=2)


def flight(name: UUID, vehicle: int, asked: bool = False) -> Flight:
    one = msgspec.structs.replace(row(), id=name, vehicle=vehicle)
    return Flight(one, asked=asked)


def test_what_is_due_comes_once_and_in_time() -> None:
    timers = Timers()
    assert timers.next_us() > 1 << 60
    timers.silence(30, ONE)
    timers.look(10, 7, 1)
    timers.look(20, 8, 1)
    assert timers.next_us() == 10
    assert timers.due(20) == ([], {7: 1, 8: 1})
    assert timers.due(29) == ([], {})
    assert timers.due(30) == ([ONE], {})
    assert len(timers) == 0


def test_flights_are_counted_by_vehicle() -> None:
    flights = Flights()
    flights.update({ONE: flight(ONE, 7, asked=True), TWO: flight(TWO, 7)})
    assert (len(flights), flights.count(7), flights.count(8)) == (2, 2, 0)
    assert flights.asked(7)
    assert not flights.asked(7, {ONE}), "the gateway has just said"
    flights.update({ONE: flight(ONE, 7)})
    assert not flights.asked(7)
    assert flights.count(7) == 2
    flights.update({ONE: None, TWO: None, UUID(int=3): None})
    assert (len(flights), flights.count(7), list(flights.of(7))) == (0, 0, [])
    assert flights.ids() == set()


def test_an_answer_means_what_is_out_under_its_key() -> None:
    flights = Flights()
    old, new = flight(ONE, 7), flight(TWO, 7)
    old.row.keys, new.row.keys = ["k", "j"], ["k"]
    new.row.made_us += 1
    flights.update({ONE: old, TWO: new})
    assert [flights.named(7, key) for key in ("k", "j", "?")] == [TWO, ONE, None]
    assert flights.named(8, "k") is None
    flights.told({ONE: 3, UUID(int=3): 1})
    assert (old.row.told, new.row.told) == (3, 0)
