"""Which link a message goes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.commands.world import FakeLink
from motorcade.apps.commands.policy import (
    BEARERS,
    DEFAULT,
    classes_of,
    merged,
    silence_s,
    usable,
)
from motorcade.errors import Invalid

LINKS = [FakeLink(bearer, bearer=bearer) for bearer in BEARERS]


def order(message_class: str, changes: dict[str, object] | None = None) -> list[str]:
    return [one.bearer for one in usable(merged(changes or {}), message_class, LINKS)]


def test_the_defaults_are_sensible() -> None:
    assert order("interactive") == [
        "wired", "nr", "lte", "wifi", "unknown", "cv2x", "satellite",
    ]  # fmt: skip
    assert order("emergency") == order("interactive")
    assert order("normal")[-1] == "satellite"
    assert "satellite" not in order("bulk")
    assert order("bulk")[0] in ("wired", "wifi")


def test_what_costs_more_comes_later_and_what_is_never_used_does_not_come() -> None:
    changes = {"bearers": {"nr": {"cost": 1_000}}, "classes": {"interactive": {"cost": 1}}}
    assert order("interactive", changes)[-2:] == ["nr", "satellite"]
    assert "wired" not in order("bulk", {"classes": {"bulk": {"never": ["wired"]}}})


def test_of_equal_links_the_newest_is_tried_first() -> None:
    links = [FakeLink("old"), FakeLink("new"), FakeLink("deaf", reachable=False)]
    assert [one.link for one in usable(DEFAULT, "normal", links)] == ["new", "old"]


def test_classes_that_may_go_over_what_there_is() -> None:
    assert "bulk" not in classes_of(DEFAULT, [FakeLink("s", bearer="satellite")])
    assert classes_of(DEFAULT, [FakeLink("l", reachable=False)]) == []


def test_an_unheard_of_bearer_counts_as_unknown() -> None:
    assert silence_s(DEFAULT, "pigeon") == silence_s(DEFAULT, "unknown")
    assert usable(DEFAULT, "bulk", [FakeLink("p", bearer="pigeon")])


@pytest.mark.parametrize(
    "changes",
    [
        {"bearers": {"pigeon": {}}},
        {"classes": {"urgent": {}}},
        {"bearers": {"lte": {"speed": 1}}},
        {"bearers": {"lte": {"cost": -1}}},
        {"classes": {"bulk": {"never": ["pigeon"]}}},
        {"in_flight_per_vehicle": 17},
        {"other": 1},
    ],
)
def test_what_is_no_policy_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        merged(changes)


def test_the_page_shows_the_default_policy() -> None:
    page = (Path(__file__).parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")
    lines = page.splitlines()
    for name, of in DEFAULT.bearers.items():
        row = (of.cost, of.latency_ms, of.battery, of.silence_s)
        assert f"| {name} | {' | '.join(f'{value:g}' for value in row)} |" in lines
    for name, minds in DEFAULT.classes.items():
        row3 = (minds.cost, minds.latency, minds.battery)
        never = ", ".join(minds.never) or "none"
        assert f"| {name} | {' | '.join(f'{value:g}' for value in row3)} | {never} |" in lines
