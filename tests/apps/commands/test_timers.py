"""Moments, and the tries that are out."""

from __future__ import annotations

from uuid import UUID

from motorcade.apps.commands.flights import Flight, Flights
from motorcade.apps.commands.timers import Timers
from motorcade.protocols.commands import Command

ONE, TWO = UUID(int=1), UUID(int=2)


def flight(name: UUID, vehicle: int, asked: bool = False) -> Flight:
    command = Command(id=name.hex, number=1, kind="lock", time_us=0)
    return Flight(name, vehicle, 1, "normal", command, asked=asked)


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
    flights.update({ONE: flight(ONE, 7)})
    assert not flights.asked(7)
    assert flights.count(7) == 2
    flights.update({ONE: None, TWO: None, UUID(int=3): None})
    assert (len(flights), flights.count(7), list(flights.of(7))) == (0, 0, [])
    assert ONE not in flights
