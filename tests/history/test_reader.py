"""Queries: raw pages, windows, export; the same answer wherever a row lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from motorcade.errors import Invalid, NotFound
from motorcade.history.reader import QueryResult

START_US = 1_750_032_000_000_000
DAY_US = 86_400_000_000
SPEED = "Vehicle.Speed"
ODOMETER = "Vehicle.TraveledDistance"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
HOOD = "Vehicle.Body.Hood.Switch"
ALL = [SPEED, ODOMETER, CELLS, HOOD]


def times(result: QueryResult) -> list[int]:
    values: list[int] = result.table.column("event_time").cast(pa.int64()).to_pylist()
    return values


async def test_a_row_is_read_from_the_tail_and_from_the_table(world: Any, make_batch: Any) -> None:
    at = [START_US + s * 1_000_000 for s in range(10)]
    world.writer.add(1, [make_batch([7] * 10, at)])
    tail = await world.reader.query(1, 7)
    assert times(tail) == at
    assert await world.writer.commit() == 1
    committed = await world.another_reader().query(1, 7)
    assert committed.table.equals(tail.table)
    assert committed.cursor is None
    assert not committed.partial


async def test_types_words_and_quality_come_back(world: Any, make_batch: Any) -> None:
    batch = make_batch([7] * 40, [START_US + s * 1_000_000 for s in range(40)])
    world.writer.add(1, [batch])
    await world.writer.commit()
    table = (await world.reader.query(1, 7, ALL)).table
    assert table.column(SPEED).combine_chunks().equals(batch.column(SPEED))
    assert table.column(ODOMETER).combine_chunks().equals(batch.column(ODOMETER))
    assert table.column(CELLS).to_pylist() == batch.column(CELLS).to_pylist()
    words = world.catalogue[HOOD].words
    codes = batch.column(HOOD).to_pylist()
    assert table.column(HOOD).type == world.catalogue[HOOD].stored_type
    assert table.column(HOOD).to_pylist() == [words[code] for code in codes]
    assert table.column("record").to_pylist() == batch.column("record").to_pylist()
    expected = [
        ["Vehicle.Speed:invalid"] if v is None else None for v in batch.column(SPEED).to_pylist()
    ]
    assert table.column("quality").to_pylist() == expected


async def scattered(world: Any, make_batch: Any, placement: str) -> None:
    """The same rows, with doubles, in the tail, in the table, merged, or everywhere."""
    rng = np.random.default_rng(5)
    offsets = rng.integers(0, 3 * DAY_US, 400)
    sequence = 0
    for part in range(8):
        at = START_US + offsets[part * 40 : part * 40 + 80]
        vehicle = np.where(np.arange(80) % 3, 7, 9)
        sequence += 1
        world.writer.add(sequence, [make_batch(vehicle, at, ingest=START_US + part)])
        world.writer.add(sequence + 1, [make_batch([7], [START_US + part], kind="login")])
        sequence += 1
        if placement == "table" or (placement in ("mixed", "merged") and part % 2):
            await world.writer.commit()
        if placement == "merged" and part == 5:
            world.maintenance.maintain(1)
    if placement == "merged":
        world.maintenance.maintain(1)


@pytest.mark.parametrize("every", [None, 60_000_000, 7 * 3_600_000_000, 5 * DAY_US])
@pytest.mark.parametrize("aggregate", ["mean", "last"])
async def test_the_answer_is_the_same_wherever_rows_lie(
    make_world: Callable[..., Any],
    make_batch: Any,
    every: int | None,
    aggregate: str,
    tmp_path: Any,
) -> None:
    answers = []
    for index, placement in enumerate(["tail", "table", "mixed", "merged"]):
        world = make_world(compact_fan_in=2)
        world.directory = tmp_path / str(index)
        world.__post_init__()
        await scattered(world, make_batch, placement)
        result = await world.reader.query(1, 7, ALL, every_us=every, aggregate=aggregate)
        answers.append(result.table.combine_chunks())
        world.reader.close()
    assert answers[0].num_rows >= 1
    for answer in answers[1:]:
        assert answer.equals(answers[0])


async def test_pages_join_to_the_whole(world: Any, make_batch: Any) -> None:
    await scattered(world, make_batch, "mixed")
    whole = await world.reader.query(1, 7, [SPEED])
    for every in (None, 3_600_000_000):
        whole = await world.reader.query(1, 7, [SPEED], every_us=every)
        for limit in (1, 7, 100):
            pages = []
            cursor = None
            while True:
                page = await world.reader.query(
                    1, 7, [SPEED], every_us=every, limit=limit, cursor=cursor
                )
                pages.append(page.table)
                cursor = page.cursor
                if cursor is None:
                    break
                assert page.table.num_rows == limit
            joined = pa.concat_tables(pages).combine_chunks()
            assert joined.equals(whole.table.combine_chunks())


async def test_rows_of_one_moment_survive_a_page_break(world: Any, make_batch: Any) -> None:
    for kind in ("login", "report", "logout"):
        world.writer.add(world.writer.last + 1, [make_batch([7], [START_US], kind=kind)])
    first = await world.reader.query(1, 7, limit=2)
    second = await world.reader.query(1, 7, limit=2, cursor=first.cursor)
    kinds = [*first.table.column("kind").to_pylist(), *second.table.column("kind").to_pylist()]
    assert kinds == ["login", "logout", "report"]


async def test_one_kind_of_rows_alone_comes_in_pages(world: Any, make_batch: Any) -> None:
    at = [START_US + s * 1_000_000 for s in range(50)]
    world.writer.add(1, [make_batch([7] * 50, at), make_batch([7] * 5, at[10:15], kind="link")])
    await world.writer.commit()
    world.writer.add(2, [make_batch([7] * 3, at[40:43], kind="link")])
    whole = await world.reader.query(1, 7, [SPEED], kind="link")
    assert times(whole) == [*at[10:15], *at[40:43]]
    assert set(whole.table.column("kind").to_pylist()) == {"link"}
    found, cursor = [], None
    for _ in range(4):
        page = await world.reader.query(1, 7, [SPEED], kind="link", limit=2, cursor=cursor)
        found += times(page)
        cursor = page.cursor
    assert found == times(whole)
    assert cursor is None
    assert (await world.reader.query(1, 7, kind="media")).table.num_rows == 0


async def test_from_and_to_bound_the_rows(world: Any, make_batch: Any) -> None:
    at = [START_US + s * 1_000_000 for s in range(10)]
    world.writer.add(1, [make_batch([7] * 10, at)])
    for _ in range(2):
        result = await world.reader.query(1, 7, from_us=at[2], to_us=at[5])
        assert times(result) == at[2:5]
        await world.writer.commit()
    assert times(await world.reader.query(1, 7, from_us=at[5], to_us=at[5])) == []


async def test_a_tenant_reads_its_own_rows_alone(world: Any, make_batch: Any) -> None:
    world.writer.add(1, [make_batch([7, 8], [START_US, START_US], tenant=[1, 2])])
    for _ in range(2):
        assert len(times(await world.reader.query(1, 7))) == 1
        assert times(await world.reader.query(1, 8)) == []
        assert times(await world.reader.query(2, 7)) == []
        assert times(await world.reader.query(3, 7)) == []
        await world.writer.commit()


@pytest.mark.parametrize("tenant", ["../1", "1", -1, 1 << 32, True, None])
async def test_a_tenant_is_a_number(world: Any, tenant: Any) -> None:
    with pytest.raises(Invalid):
        await world.reader.query(tenant, 7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"aggregate": "median"},
        {"limit": 0},
        {"limit": 1_000_000_000},
        {"cursor": "nonsense!"},
        {"every_us": 0},
    ],
)
async def test_wrong_arguments_are_told(world: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await world.reader.query(1, 7, **wrong)
    with pytest.raises(NotFound):
        await world.reader.query(1, 7, ["Vehicle.Sped"])


async def test_a_silent_worker_makes_the_answer_partial(world: Any, make_batch: Any) -> None:
    world.writer.add(1, [make_batch([7], [START_US])])
    await world.writer.commit()
    world.writer.add(2, [make_batch([7], [START_US + 1])])
    world.down = True
    result = await world.reader.query(1, 7)
    assert result.partial
    assert times(result) == [START_US]


async def test_an_old_view_is_loaded_anew_when_the_tail_has_moved_on(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(tail_grace_s=20.0, snapshot_age_max_s=1e9)
    world.writer.add(1, [make_batch([7], [START_US])])
    await world.writer.commit()
    assert len(times(await world.reader.query(1, 7))) == 1
    world.writer.add(2, [make_batch([7], [START_US + 1])])
    await world.writer.commit()
    assert len(times(await world.reader.query(1, 7))) == 2
    world.clock.advance(30)
    world.writer.add(3, [make_batch([7], [START_US + 2])])
    assert world.writer.tail_bytes > 0
    asked = world.asked
    assert len(times(await world.reader.query(1, 7))) == 3
    assert world.asked == asked + 2


async def test_export_gives_every_vehicle_once_in_bounded_tables(
    make_world: Callable[..., Any], make_batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motorcade.history.reader._EXPORT_ROWS", 500)
    world = make_world(partitions=2, row_group_rows=100)
    expected = []
    for sequence in range(1, 5):
        for partition in (0, 1):
            vehicle = np.repeat(np.arange(2 + partition, 102, 2), 8)
            at = START_US + np.arange(len(vehicle)) * 1000 + sequence
            expected += list(zip(vehicle.tolist(), at.tolist(), strict=True))
            world.writers[partition].add(sequence, [make_batch(vehicle, at)])
            if sequence < 4:
                await world.writers[partition].commit()
    tables = [part.table async for part in world.reader.export(1, [SPEED])]
    assert len(tables) > 4
    assert max(table.num_rows for table in tables) < 1500
    table = pa.concat_tables(tables)
    at = table.column("event_time").cast(pa.int64()).to_pylist()
    got = list(zip(table.column("vehicle").to_pylist(), at, strict=True))
    assert got == sorted(expected)


async def test_a_large_tail_is_fetched_in_parts(
    world: Any, make_batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motorcade.history.writer.HISTORY_TAIL_ANSWER_BYTES_MAX", 20_000)
    at = [START_US + s * 1_000_000 for s in range(1000)]
    world.writer.add(1, [make_batch([7] * 1000, at)])
    assert times(await world.reader.query(1, 7)) == at
    assert world.asked > 4
