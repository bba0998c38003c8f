"""Kept sessions are written behind: in order, whatever the registry takes or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec

from motorcade.clock import SystemClock
from motorcade.errors import Invalid
from motorcade.fleet.kept import KeptSession
from motorcade.gateway.keeping import Keeping

OLD, NEW = (("v/x/down/old", 1),), (("v/x/down/#", 1),)


class Registry:
    """Keeps sessions once ``open``; refuses those of vehicle 13."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.kept: dict[int, bytes] = {}
        self.written: list[int] = []
        self.words: list[KeptSession] = []

    async def keep_sessions(self, _protocol: str, sessions: Sequence[KeptSession]) -> None:
        await self.open.wait()
        if any(one.vehicle == 13 for one in sessions):
            raise Invalid("too long")
        self.written += [one.vehicle for one in sessions]
        self.words += sessions
        self.kept.update({one.vehicle: one.state for one in sessions})

    async def kept_sessions(self, _protocol: str, vehicles: Sequence[int]) -> Mapping[int, bytes]:
        return {vehicle: self.kept[vehicle] for vehicle in vehicles if vehicle in self.kept}


class Session:
    """What keeping needs of a session."""

    def __init__(self, filters: tuple[tuple[str, int], ...] = ()) -> None:
        self.expiry_s = 60
        self.filters = filters

    def resume(self, filters: tuple[tuple[str, int], ...]) -> None:
        self.filters = filters


def keeping(registry: Registry, linger_s: float = 0.0) -> Keeping:
    shared = SimpleNamespace(directory=registry, clock=SystemClock())
    table = SimpleNamespace(
        vehicle=[slot % 20 for slot in range(40)],
        tenant=[1] * 40,
        link=list(range(40)),
        login_us=[1_000 + slot for slot in range(40)],
    )
    listener: Any = SimpleNamespace(shared=shared, table=table, name="mqtt")
    return Keeping(listener, linger_s)


def note(made: Keeping, vehicle: int, filters: tuple[tuple[str, int], ...]) -> Any:
    """``vehicle`` plus 20 is a later link of the same."""
    peer: Any = SimpleNamespace(slot=vehicle, session=Session(filters))
    made.note(peer, ended=False)
    return peer


async def resumed(made: Keeping, vehicle: int) -> tuple[tuple[str, int], ...]:
    event = SimpleNamespace(clean=False, session=Session())
    await made.resumed([(event, vehicle)], 1_000)
    return event.session.filters


async def test_what_is_being_written_is_newer_than_what_is_read() -> None:
    registry = Registry()
    registry.kept[1] = msgspec.msgpack.encode(OLD)
    registry.open.clear()
    made = keeping(registry)
    note(made, 1, NEW)
    await asyncio.sleep(0.01)  # the writer has begun
    assert await resumed(made, 1) == NEW
    registry.open.set()
    await made.settled()
    assert await resumed(made, 1) == NEW


async def test_one_the_registry_refuses_does_not_hold_up_later_ones() -> None:
    made = keeping(registry := Registry())
    note(made, 13, NEW)
    await made.settled()
    note(made, 1, NEW)
    await made.settled()
    assert list(registry.kept) == [1]


async def test_an_unreadable_one_begins_anew() -> None:
    registry = Registry()
    registry.kept[1] = b"\xc1"
    assert await resumed(keeping(registry), 1) == ()


async def test_the_end_of_an_older_link_does_not_undo_a_later_ones_session() -> None:
    made = keeping(registry := Registry())
    first, second = note(made, 1, OLD), note(made, 21, NEW)
    made.note(first, ended=True)
    await made.settled()
    assert registry.kept[1] == msgspec.msgpack.encode(NEW)
    made.note(second, ended=True)
    await made.settled()
    assert registry.kept[1] == msgspec.msgpack.encode(NEW)


async def test_who_says_at_its_end_that_nothing_holds_is_forgotten() -> None:
    made = keeping(registry := Registry())
    peer = note(made, 1, NEW)
    peer.session.expiry_s = 0
    made.note(peer, ended=True)
    await made.settled()
    assert registry.kept[1] == b""


async def test_every_word_says_of_which_login_it_is() -> None:
    """So that the registry knows the older one, whichever gateway says it later."""
    made = keeping(registry := Registry())
    peer = note(made, 1, NEW)
    await made.settled()
    made.note(peer, ended=True)
    await made.settled()
    other = note(made, 2, NEW)
    other.session.expiry_s = 0
    made.note(other, ended=True)
    await made.settled()
    assert [one.since_us for one in registry.words] == [1_001, 1_001, 1_002]
    await made.resumed([(SimpleNamespace(clean=True, session=Session()), 3)], 1_003)
    await made.settled()
    assert registry.words[-1].since_us == 1_003


async def test_an_end_a_login_and_a_subscription_of_a_moment_are_one_row() -> None:
    made = keeping(registry := Registry(), linger_s=60.0)
    first = note(made, 1, NEW)
    made.note(first, ended=True)
    second = note(made, 21, NEW)
    made.note(second, ended=False)
    await made.settled()
    assert registry.written == [1]


async def test_who_subscribes_to_what_it_had_is_not_written_again() -> None:
    made = keeping(registry := Registry())
    peer = note(made, 1, NEW)
    await made.settled()
    made.note(peer, ended=False)
    await made.settled()
    assert registry.written == [1]
    peer.session.filters = OLD
    made.note(peer, ended=False)
    await made.settled()
    assert registry.written == [1, 1]
    assert registry.kept[1] == msgspec.msgpack.encode(OLD)
