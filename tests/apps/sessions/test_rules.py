"""The rules: what a log of events makes of links and presence, whatever clocks and crashes do."""

from __future__ import annotations

import copy
import itertools
import random

import pytest

from apps.sessions.events import (
    EAST,
    START_US,
    WEST,
    down,
    gateway_lost,
    gateway_up,
    link,
    up,
)
from motorcade.apps.sessions import rules
from motorcade.apps.sessions.rules import Table
from motorcade.apps.sessions.sessions import Change, Link, Row, Session
from motorcade.log.events import Event

S = 1_000_000
GRACE_S = 3


class Story:
    """A log told second by second."""

    def __init__(self) -> None:
        self.table = Table(GRACE_S * S, 60 * S)
        self.sequence = 0
        self.change = Change()

    def at(self, seconds: float, *events: Event) -> list[Row]:
        """What a message of events, taken by the log so long after the start, leads to."""
        self.sequence += 1
        change = self.change = Change()
        self.table.apply(self.sequence, round(START_US + seconds * S), events, change)
        self.table.forget(change.touched)
        return change.rows

    def quiet_until(self, seconds: float) -> list[Row]:
        """Nothing more happens until then."""
        change = self.change = Change()
        self.table.settle(round(START_US + seconds * S), change)
        return change.rows

    def links(self, vehicle: int) -> tuple[Link, ...]:
        session = self.table.sessions.get(vehicle)
        return () if session is None else session.links

    def names(self, vehicle: int) -> list[str]:
        return [one.link for one in self.links(vehicle)]


@pytest.fixture
def story() -> Story:
    return Story()


def said(rows: list[Row]) -> list[tuple[int, str, bool, int]]:
    return [(row.vehicle, row.event, row.online, row.links) for row in rows]


def test_a_car_comes_and_goes(story: Story) -> None:
    (row,) = story.at(0, up(7, 1))
    assert (row.event, row.online, row.links, row.bearer) == ("UP", True, 1, "lte")
    assert (row.time_us, row.protocol, row.address) == (START_US, "jt808", "192.0.2.7:1")
    assert (row.gap_us, row.previous, row.reason) == (None, None, None)
    (row,) = story.at(10, down(7, 1, reason="logout"))
    assert (row.event, row.online, row.links, row.reason) == ("DOWN", True, 0, "logout")
    assert row.lasted_us == 10 * S
    assert story.quiet_until(10 + GRACE_S - 0.001) == []
    (row,) = story.quiet_until(10 + GRACE_S)
    assert (row.event, row.online, row.link) == ("OFFLINE", False, link(1))
    assert row.time_us == START_US + (10 + GRACE_S) * S
    assert story.quiet_until(1000) == []


def test_a_return_within_grace_is_no_offline(story: Story) -> None:
    story.at(0, up(7, 1))
    story.at(10, down(7, 1))
    (row,) = story.at(12, up(7, 2, gateway=WEST))
    assert (row.event, row.online, row.gap_us) == ("UP", True, 2 * S)
    assert story.change.kept_online == 1
    assert story.quiet_until(1000) == []


def test_a_reconnect_before_the_old_link_times_out_is_no_offline(story: Story) -> None:
    story.at(0, up(7, 1))
    rows = story.at(10, up(7, 2, gateway=WEST))
    assert said(rows) == [(7, "DOWN", True, 0), (7, "UP", True, 1)]
    assert rows[0].reason == "replaced"
    assert rows[1].gap_us is None
    assert story.change.kept_online == 0
    assert story.at(200, down(7, 1)) == []
    assert story.change.late == 1
    assert story.quiet_until(1000) == []
    assert story.names(7) == [link(2, WEST)]


def test_other_bearers_and_protocols_live_side_by_side(story: Story) -> None:
    story.at(0, up(7, 1))
    (row,) = story.at(1, up(7, 2, bearer="satellite"))
    assert (row.links, row.bearer, row.previous) == (2, "satellite", "lte")
    (row,) = story.at(2, up(7, 3, bearer="satellite", protocol="mqtt"))
    assert row.links == 3
    assert story.change.handovers == []
    (row,) = story.at(3, down(7, 1))
    assert (row.links, row.previous) == (2, None)
    assert story.table.carried["satellite", "jt808"] == 1
    assert story.table.carried["lte", "jt808"] == 0


def test_handovers_are_counted_when_the_car_moves_to_another_bearer(story: Story) -> None:
    story.at(0, up(7, 1, bearer="lte"))
    story.at(10, up(7, 2, bearer="nr", gateway=WEST))
    assert story.change.handovers == [("lte", "nr")]
    story.at(11, down(7, 1))
    assert story.change.handovers == []
    story.at(20, down(7, 2, gateway=WEST))
    (row,) = story.at(40, up(7, 3, bearer="satellite"))[1:]
    assert (row.previous, row.gap_us) == ("nr", 20 * S)
    story.at(50, up(7, 4, bearer="lte"))
    (row,) = story.at(51, down(7, 4))
    assert (row.bearer, row.previous) == ("satellite", "lte")
    story.at(60, down(7, 3))
    story.quiet_until(70)
    (row,) = story.at(1000, up(7, 5, bearer="lte"))
    assert (row.previous, story.change.handovers) == (None, [])


def test_a_link_told_twice_is_one_and_may_become_reachable(story: Story) -> None:
    story.at(0, up(7, 1, reachable=False))
    assert story.change.reached == []
    assert story.at(1, up(7, 1, reachable=False)) == []
    (row,) = story.at(2, up(7, 1))
    assert (row.event, row.reachable) == ("CHANGED", True)
    ((vehicle, reached),) = story.change.reached
    assert (vehicle, reached.link, reached.since_us) == (7, link(1), START_US)
    assert story.at(3, up(7, 1)) == []


def test_a_gateway_that_starts_again_has_lost_its_links(story: Story) -> None:
    story.at(0, gateway_up(EAST), *(up(vehicle, vehicle) for vehicle in range(1, 6)))
    story.at(1, up(3, 9, gateway=WEST, bearer="nr"))
    again = f"east.{START_US + 60 * S}"
    rows = story.at(60, gateway_up(again))
    assert {row.vehicle for row in rows} == {1, 2, 3, 4, 5}
    assert {row.reason for row in rows} == {"gateway_restarted"}
    rows = story.at(61, up(1, 1, gateway=again))
    assert said(rows) == [(1, "UP", True, 1)]
    assert story.at(62, up(4, 4)) == []
    assert story.change.stale == 1
    assert story.at(62, gateway_up(EAST)) == []
    rows = story.quiet_until(70)
    assert {row.vehicle for row in rows} == {2, 4, 5}
    assert story.names(3) == [link(9, WEST)]


def test_a_gateway_given_up_may_name_its_links_again(story: Story) -> None:
    story.at(0, gateway_up(EAST), up(1, 1), up(2, 2), up(3, 3))
    since = story.links(1)[0].since_us
    rows = story.at(30, gateway_lost(EAST))
    assert {row.reason for row in rows} == {"gateway_lost"}
    assert story.table.lost == {EAST}
    story.at(31, up(2, 7, gateway=WEST), down(3, 3))
    rows = story.at(32, up(1, 1), up(2, 2))
    assert said(rows) == [(1, "UP", True, 1)]
    assert story.links(1)[0].since_us == since
    assert story.change.stale == 1
    assert story.table.lost == set()
    assert story.names(2) == [link(7, WEST)]
    assert said(story.quiet_until(40)) == [(3, "OFFLINE", False, 0)]
    assert story.at(50, down(2, 2)) == []


def test_what_was_given_up_comes_back_after_its_cars_were_announced_offline(story: Story) -> None:
    story.at(0, up(1, 1))
    story.at(30, gateway_lost(EAST))
    (row,) = story.at(50, up(1, 1))[1:]
    assert (row.event, row.online, row.gap_us) == ("UP", True, 20 * S)


def test_another_tenants_car_begins_anew(story: Story) -> None:
    story.at(0, up(7, 1), up(7, 2, bearer="satellite"))
    rows = story.at(10, up(7, 3, tenant=2))
    assert [(row.tenant, row.event, row.online) for row in rows] == [
        (1, "DOWN", True),
        (1, "DOWN", True),
        (1, "OFFLINE", False),
        (2, "UP", True),
    ]
    assert rows[-1].gap_us is None
    assert len({row.time_us for row in rows}) == 4
    assert story.quiet_until(100) == []


def test_clocks_of_gateways_and_a_log_clock_that_goes_back_change_no_order(story: Story) -> None:
    story.at(0, up(7, 1, at_us=START_US + 900 * S))
    rows = story.at(10, up(7, 2, gateway=WEST, at_us=START_US - 900 * S))
    rows += story.at(5, up(7, 3, gateway=WEST, bearer="nr"))
    times = [row.time_us for row in rows]
    assert times == sorted(set(times))
    assert story.names(7) == [link(2, WEST), link(3, WEST)]
    (row,) = story.at(6, down(7, 2, gateway=WEST))
    assert row.lasted_us == 0


def test_what_a_device_calls_itself_cannot_break_the_table(story: Story) -> None:
    event = up(7, 1, bearer="pigeon")
    odd = type(event)(**{**{name: getattr(event, name) for name in event.__struct_fields__},
                         "identity": "a\0b", "address": "\0"})  # fmt: skip
    story.at(0, odd)
    (found,) = story.links(7)
    assert (found.identity, found.address, found.bearer) == ("ab", "", "unknown")


@pytest.mark.parametrize("change", [{"vehicle": 0}, {"vehicle": 1 << 63}, {"tenant": 1 << 32}])
def test_who_cannot_be_holds_up_nobody(story: Story, change: dict[str, int]) -> None:
    event = up(7, 1)
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    odd = type(event)(**{**fields, **change})
    assert rules.vehicles_named([odd]) <= {7}
    rows = story.at(0, odd, up(9, 2))
    assert said(rows) == [(9, "UP", True, 1)]
    assert story.change.stale == 1


def test_names_of_gateways_are_bounded(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "SESSIONS_GATEWAYS_MAX", 3)
    story.at(0, gateway_up("a.1"), up(1, 1, gateway="a.1"))
    for number in range(2, 9):
        story.at(number, gateway_up(f"g{number}.{number}"))
    assert set(story.table.gateways) == {"a", "g7", "g8"}


def test_a_storm_gives_one_offline_a_car_and_none_to_those_who_came_back(story: Story) -> None:
    cars = range(1, 10_001)
    story.at(0, *(up(car, car) for car in cars))
    assert story.table.online == 10_000
    story.at(10, *(down(car, car) for car in cars))
    story.at(12, *(up(car, car, gateway=WEST) for car in cars if car % 4 == 0))
    rows = story.quiet_until(100)
    assert {row.event for row in rows} == {"OFFLINE"}
    assert sorted(row.vehicle for row in rows) == [car for car in cars if car % 4]
    assert story.table.online == 2_500
    assert len(story.table.sessions) == 10_000
    story.table.forget(cars)
    assert len(story.table.sessions) == 2_500


@pytest.mark.parametrize("seed", range(30))
def test_a_reading_that_is_interrupted_tells_the_same(seed: int) -> None:
    """Whatever was stored and read again between any two messages: the same rows follow."""
    chance = random.Random(seed)
    whole, broken = Story(), Story()
    live: dict[int, tuple[int, str]] = {}
    told: list[tuple[list[Row], list[Row]]] = []
    for number in range(300):
        car = chance.randrange(1, 6)
        gateway = chance.choice((EAST, WEST))
        event: Event
        match chance.randrange(8):
            case 0 | 1 | 2:
                event = up(car, number, gateway=gateway, bearer=chance.choice(("lte", "nr")))
                live[number] = (car, gateway)
            case 3 | 4 | 5 if live:
                ended = chance.choice(list(live))
                car, gateway = live.pop(ended)
                event = down(car, ended, gateway=gateway)
            case 6:
                event = gateway_lost(gateway)
            case _:
                again = chance.choice(list(live) or [number])
                car, gateway = live.setdefault(again, (car, gateway))
                event = up(car, again, gateway=gateway)
        at = number * chance.choice((0.5, 1, 1, 2))
        told.append((whole.at(at, event), broken.at(at, event)))
        broken.table = _reread(broken.table)
    told.append((whole.quiet_until(10_000), broken.quiet_until(10_000)))
    for expected, got in told:
        assert got == expected
    events = [row for rows, _ in told for row in rows]
    for car in range(1, 6):
        states = [row.online for row in events if row.vehicle == car]
        offline = [row for row in events if row.vehicle == car and row.event == "OFFLINE"]
        falls = sum(a and not b for a, b in itertools.pairwise(states))
        assert falls == len(offline)


def _reread(table: Table) -> Table:
    """As after a restart."""
    fresh = Table(GRACE_S * S, 60 * S)
    stored: list[Session] = copy.deepcopy(list(table.sessions.values()))
    for session in stored:
        fresh.add(session)
    fresh.gateways, fresh.lost = dict(table.gateways), set(table.lost)
    assert fresh.held == table.held
    assert fresh.online == table.online
    assert fresh.next_due_us is None or fresh.next_due_us > 0
    return fresh
