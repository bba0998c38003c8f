"""A load process: its logins are well-formed, and what goes wrong is told."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from typing import Any

import pytest

from motorcade.protocols.gbt32960 import Session
from motorcade.protocols.gbt32960.events import LoginRequested, PlatformLoginRequested
from motorcade.simulator.fleet import build_fleet
from motorcade.simulator.layouts import layouts_of
from motorcade.simulator.road import TALLY
from motorcade.simulator.slice import Slice, drive_slice
from motorcade.simulator.voices import Voice, speech_of


def _slice(edition: str = "2016", accounts: Sequence[tuple[str, str]] = ()) -> Slice:
    fleet = build_fleet(6, 2, 4, seed=1, layouts=layouts_of(edition))
    facts: dict[str, Any] = {
        "rate_sends_s": 100.0,
        "real_time": True,
        "past_s": 0.0,
        "seconds": 0.5,
        "window": 1,
        "login_timeout_s": 0.2,
    }
    voice = Voice("gbt32960", {"gbt32960": ("127.0.0.1", 9)}, accounts=accounts)
    return Slice(fleet=fleet, voice=voice, **facts)


@pytest.mark.parametrize("edition", ["2016", "2025"])
def test_terminal_logins(edition: str) -> None:
    part = _slice(edition)
    event = Session().handle(speech_of(part.voice, part.fleet).hello(3), 0)
    assert isinstance(event, LoginRequested)
    assert event.vin == part.fleet.vin(int(part.fleet.starts[3]))
    assert event.iccid.startswith("8986")


def test_platform_logins() -> None:
    part = _slice(accounts=[("one", "1st"), ("two", "2nd")])
    event = Session().handle(speech_of(part.voice, part.fleet).hello(3), 0)
    assert isinstance(event, PlatformLoginRequested)
    assert (event.user, event.password) == ("two", "2nd")


def test_nothing_to_connect_to_is_told() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    arguments = (_slice(), context.Barrier(1), [0.0] * len(TALLY), [0], theirs)
    child = context.Process(target=drive_slice, args=arguments)
    child.start()
    theirs.close()
    assert "no car could log in at 127.0.0.1:9" in ours.recv()
    child.join()
