"""Signs of life: silence counts only while it could have been broken."""

from __future__ import annotations

import msgspec

from apps.sessions.events import EAST, WEST
from motorcade.apps.sessions.gateways import Gateways


def _alive(incarnation: str) -> bytes:
    return msgspec.msgpack.encode([incarnation.rpartition(".")[0], incarnation, 5])


def _watched(seconds: range, *, connected: bool = True) -> tuple[Gateways, list[tuple[int, str]]]:
    """Looks once a second at a gateway that never says anything: who was found silent when."""
    gateways = Gateways(10.0)
    found: list[tuple[int, str]] = []
    for now in seconds:
        gateways.look(float(now), connected)
        found += [(now, one) for one in gateways.silent([EAST], float(now))]
    return gateways, found


def test_silence_counts_from_when_we_began_to_listen() -> None:
    _, found = _watched(range(100, 112))
    assert found == [(111, EAST)]


def test_silence_does_not_count_while_the_log_is_away_or_we_stood_still() -> None:
    _, found = _watched(range(100, 200), connected=False)
    assert found == []
    gateways, _ = _watched(range(100, 105))
    gateways.look(300.0, True)
    assert gateways.silent([EAST], 300.0) == []
    for now in range(301, 311):
        gateways.look(float(now), True)
    assert gateways.silent([EAST], 310.0) == []
    gateways.look(311.0, True)
    assert gateways.silent([EAST], 311.0) == [EAST]


def test_one_that_is_first_asked_about_late_has_just_begun() -> None:
    gateways, _ = _watched(range(100, 130))
    assert gateways.silent([WEST], 130.0) == []
    assert gateways.silent([EAST, WEST], 130.5) == [EAST]
    gateways.hear(_alive(EAST), 130.6)
    assert gateways.silent([EAST], 131.0) == []


def test_one_given_up_is_back_with_its_next_sign_and_told_a_few_times() -> None:
    gateways, _ = _watched(range(100, 112))
    gateways.give_up(EAST)
    assert gateways.back({EAST}, 112.0) == []
    gateways.hear(_alive(EAST), 113.0)
    told = []
    for now in range(113, 140):
        gateways.hear(_alive(EAST), float(now))
        told += [now for _ in gateways.back({EAST}, float(now))]
    assert told == [113, 115, 117, 119, 121]
    assert gateways.back(set(), 140.0) == []
    assert gateways.back({EAST}, 140.0) == [EAST]


def test_what_is_no_sign_of_life_is_none() -> None:
    gateways, _ = _watched(range(100, 111))
    for payload in (b"", b"\xc1", msgspec.msgpack.encode(["east"]), msgspec.msgpack.encode(5)):
        gateways.hear(payload, 110.5)
    gateways.look(111.0, True)
    assert gateways.silent([EAST], 111.0) == [EAST]


def test_what_is_remembered_is_bounded() -> None:
    gateways = Gateways(10.0)
    for number in range(1000):
        gateways.hear(_alive(f"pod-{number}.{number}"), float(number))
    gateways.look(10_000.0, True)
    assert len(gateways._heard) == 0
