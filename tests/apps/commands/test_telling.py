"""States as rows of telemetry: the same row however often it is told, and told in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import msgspec
import pytest

from apps.commands.test_life import NOW, answer, row, sent
from apps.commands.world import CATALOGUE, PATH
from engines_nats import until
from motorcade.apps.commands import life
from motorcade.apps.commands.hints import pack_hints, read_hint
from motorcade.apps.commands.telling import Teller, changes_of, rows_of
from motorcade.errors import CorruptionError, DependencyError
from motorcade.signals.batch import SignalBatch
from motorcade.signals.words import as_stored


def test_states_not_told_become_rows_with_a_lasting_identity() -> None:
    one = row()
    sent(one)
    life.answered(one, answer("delivered", NOW + 20))
    life.answered(one, answer("failed", NOW + 30, code="refused"))
    changes = changes_of(one)
    first, again = rows_of(changes, CATALOGUE, 1), rows_of(changes, CATALOGUE, 2)
    assert first.kind == "event"
    for name in ("vehicle", "event_time", "record"):
        assert first.column(name).equals(again.column(name))
    rows = as_stored(first.data, CATALOGUE).to_pylist()
    assert [(found[PATH + "State"], found[PATH + "Code"]) for found in rows] == [
        ("queued", ""), ("sent", ""), ("delivered", ""), ("failed", "refused"),
    ]  # fmt: skip
    assert {found[PATH + "Id"] for found in rows} == {one.id.hex}
    assert len({found["record"] for found in rows}) == 4
    one.told = 1 | 2
    assert [change.state for change in changes_of(one)] == ["delivered", "failed"]
    one.told = one.reached
    assert changes_of(one) == []


async def test_a_log_that_is_away_gets_them_later_and_each_once() -> None:
    got: list[SignalBatch] = []
    told: dict[UUID, int] = {}
    failures = [2]

    class Log:
        async def append(self, partition: int, batches: Sequence[SignalBatch]) -> int:
            if failures[0]:
                failures[0] -= 1
                raise DependencyError("away")
            got.extend(batches)
            return 1

    def note(more: dict[UUID, int]) -> None:
        for name, bits in more.items():
            told[name] = told.get(name, 0) | bits

    teller = Teller(Log(), CATALOGUE, lambda: NOW, note)
    task = asyncio.create_task(teller.run())
    one, other = row(), row()
    teller.add([one, other])
    teller.add([one])

    async def all_told() -> bool:
        return told == {one.id: 1, other.id: 1}

    await until(all_told)
    assert sum(len(batch) for batch in got) == 2
    sent(one)
    teller.add([one])

    async def more_told() -> bool:
        return told[one.id] == 3

    await until(more_told)
    assert sum(len(batch) for batch in got) == 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_only_what_the_table_knows_is_forgotten() -> None:
    got: list[SignalBatch] = []

    class Log:
        async def append(self, partition: int, batches: Sequence[SignalBatch]) -> int:
            got.extend(batches)
            return 1

    told = asyncio.Event()
    teller = Teller(Log(), CATALOGUE, lambda: NOW, lambda _: told.set())
    one = row()
    teller.add([one])
    sent(one)
    teller.add([one])
    teller.forget({one.id: 1})
    one.told = 1
    teller.add([one])
    task = asyncio.create_task(teller.run())
    async with asyncio.timeout(5):
        await told.wait()
    rows = [found for batch in got for found in as_stored(batch.data, CATALOGUE).to_pylist()]
    assert [found[PATH + "State"] for found in rows] == ["queued", "sent"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_hints_carry_commands() -> None:
    rows = [row() for _ in range(3)]
    (payload,) = pack_hints(rows)
    assert read_hint(payload) == rows
    large = [msgspec.structs.replace(row(), parameters={"text": "x" * 100_000}) for _ in range(5)]
    payloads = list(pack_hints(large))
    assert len(payloads) > 1
    assert [one for payload in payloads for one in read_hint(payload)] == large
    large[0].parameters["text"] = "x" * 300_000
    assert list(pack_hints(large[:1])) == [], "it is looked for"
    for wrong in (b"", b"\x91\xc4\x01a", b"\xc1"):
        with pytest.raises(CorruptionError):
            read_hint(wrong)
