"""Commits: every record once, whatever is replayed, refused or killed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from motorcade.errors import CapacityError, DependencyError, Invalid
from motorcade.history.table import TelemetryTable

START_US = 1_750_032_000_000_000
SPEED = "Vehicle.Speed"
ODOMETER = "Vehicle.TraveledDistance"


def table_of(world: Any, tenant: int = 1) -> Any:
    return DeltaTable(world.directory / str(tenant) / "telemetry")


async def test_a_commit_carries_its_position(world: Any, make_batch: Any) -> None:
    world.writer.add(4, [make_batch([7], [START_US])])
    world.writer.add(9, [])
    assert await world.writer.commit() == 9
    assert table_of(world).transaction_version("motorcade-0") == 9
    assert world.writer.position == 9
    assert not world.writer.due


async def test_any_delta_reader_understands_the_table(world: Any, make_batch: Any) -> None:
    world.writer.add(1, [make_batch(range(1, 30), [START_US] * 29)])
    await world.writer.commit()
    rows = table_of(world).to_pyarrow_table()
    assert rows.schema.field("vehicle").type == pa.int64()
    assert rows.schema.field(ODOMETER).type == pa.int64()
    assert rows.column("vehicle").to_pylist() == list(range(1, 30))
    assert set(rows.column("Vehicle.Body.Hood.Switch").to_pylist()) <= set(
        world.catalogue["Vehicle.Body.Hood.Switch"].words
    )
    faults = [one for one in rows.column("quality").to_pylist() if one]
    assert faults
    assert all(one == ["Vehicle.Speed:invalid"] for one in faults)


async def test_a_replay_changes_nothing(world: Any, make_batch: Any) -> None:
    batches = [make_batch([7, 8], [START_US + n, START_US + n], tenant=[1, 2]) for n in range(6)]
    for sequence, batch in enumerate(batches, 1):
        world.writer.add(sequence, [batch])
        if sequence == 4:
            await world.writer.commit()
    restarted = world.restart(position=2)
    for sequence, batch in enumerate(batches[2:], 3):
        restarted.add(sequence, [batch])
    assert (await world.reader.query(1, 7)).table.num_rows == 6
    await restarted.commit()
    assert table_of(world, 1).count() == 6
    assert table_of(world, 2).count() == 6


async def test_a_record_handed_over_twice_is_taken_once(world: Any, make_batch: Any) -> None:
    for sequence in (1, 2, 2, 1, 3):
        world.writer.add(sequence, [make_batch([7], [START_US + sequence])])
    assert world.writer.pending_rows == 3


async def test_doubles_within_a_commit_are_dropped(world: Any, make_batch: Any) -> None:
    live = make_batch([7], [START_US], ingest=5)
    again = make_batch([7], [START_US], ingest=9, reissued=True)
    world.writer.add(1, [again])
    world.writer.add(2, [live, make_batch([7], [START_US], kind="login")])
    await world.writer.commit()
    rows = table_of(world).to_pyarrow_table().to_pylist()
    kept = sorted((row["kind"], row["reissued"]) for row in rows)
    assert kept == [("login", False), ("report", False)]


async def test_a_new_signal_widens_the_table(world: Any, make_batch: Any) -> None:
    world.writer.add(1, [make_batch([7], [START_US], signals=[ODOMETER])])
    await world.writer.commit()
    assert SPEED not in table_of(world).to_pyarrow_table().schema.names
    world.writer.add(2, [make_batch([7], [START_US + 1], signals=[SPEED])])
    await world.writer.commit()
    result = await world.another_reader().query(1, 7)
    assert result.table.column(SPEED).null_count == 1
    assert result.table.column(ODOMETER).null_count == 1


async def test_the_tail_is_bounded_and_refuses(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(tail_bytes_max=200_000)
    writer = world.writer
    at = START_US + np.arange(500)
    sequence = 0
    while not writer.full:
        sequence += 1
        writer.add(sequence, [make_batch([7] * 500, at + 500 * sequence)])
    assert writer.due
    with pytest.raises(CapacityError):
        writer.add(sequence + 1, [make_batch([7], [START_US])])
    await writer.commit()
    assert writer.tail_bytes <= 200_000
    writer.add(sequence + 1, [make_batch([7], [START_US])])
    assert (await world.reader.query(1, 7, limit=100_000)).table.num_rows == 500 * sequence + 1


async def test_committed_rows_leave_the_tail_after_their_grace(world: Any, make_batch: Any) -> None:
    world.writer.add(1, [make_batch([7], [START_US])])
    await world.writer.commit()
    world.writer.add(2, [make_batch([8], [START_US])])
    assert world.writer.tail_bytes > 150
    world.clock.advance(200)
    await world.writer.commit()
    world.clock.advance(200)
    world.writer.add(3, [])
    assert world.writer.tail_bytes == 0


async def test_a_refused_write_keeps_the_rows_and_is_made_up_for(
    world: Any, make_batch: Any
) -> None:
    world.writer.add(1, [make_batch([7, 8], [START_US, START_US], tenant=[1, 2])])
    blocked = world.directory / "2"
    world.directory.mkdir()
    blocked.write_text("not a folder")
    with pytest.raises(DependencyError):
        await world.writer.commit()
    assert world.writer.position == 0
    assert world.writer.pending_rows == 2
    assert table_of(world, 1).count() == 1
    blocked.unlink()
    world.writer.add(2, [make_batch([7, 8], [START_US + 1, START_US + 1], tenant=[1, 2])])
    assert await world.writer.commit() == 2
    assert table_of(world, 1).count() == 2
    assert table_of(world, 2).count() == 2


async def test_what_is_no_request_is_told(world: Any) -> None:
    with pytest.raises(Invalid):
        await world.writer.answer_tail(b"\x00nonsense")


async def test_two_partitions_share_a_table(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(partitions=2)
    for round_ in range(3):
        for partition in (0, 1):
            world.writers[partition].add(
                round_ + 1, [make_batch([6 + partition], [START_US + round_])]
            )
        await asyncio.gather(*(writer.commit() for writer in world.writers.values()))
    assert table_of(world).count() == 6
    assert table_of(world).transaction_version("motorcade-1") == 3


async def test_a_full_disk_is_an_error_and_passes(
    make_world: Callable[..., Any], make_batch: Any, small_disk: Path
) -> None:
    world = make_world()
    world.directory = small_disk / "history"
    world.__post_init__()
    world.writer.add(1, [make_batch([7], [START_US])])
    await world.writer.commit()
    filler = small_disk / "filler"
    fill(filler)
    world.writer.add(2, [make_batch(range(1, 2001), [START_US] * 2000)])
    with pytest.raises(DependencyError):
        await world.writer.commit()
    assert world.writer.position == 1
    assert (await world.reader.query(1, 7)).table.num_rows == 1
    filler.unlink()
    await world.writer.commit()
    assert table_of(world).count() == 2001  # a double of an earlier commit goes when files merge
    assert (await world.another_reader().query(1, 7)).table.num_rows == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; skips where one may not be mounted."""
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a small file system here")
    yield small
    subprocess.run(["umount", "-l", str(small)], check=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with suppress(OSError), path.open("wb", buffering=0) as handle:
        while True:
            handle.write(bytes(4096))


async def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """A writer process is killed again and again while it commits; a file is its checkpoint."""
    program = Path(__file__).with_name("killed_writer.py")
    wanted = 40
    rng = np.random.default_rng(3)
    for _ in range(200):
        process = await asyncio.create_subprocess_exec(
            sys.executable, program, tmp_path, str(wanted), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            await asyncio.wait_for(process.stdout.readline(), 60)
            try:
                await asyncio.wait_for(process.wait(), float(rng.uniform(0.02, 0.4)))
            except TimeoutError:
                process.send_signal(signal.SIGKILL)
        finally:
            await process.wait()
        for tenant in (1, 2):
            folder = tmp_path / "history" / str(tenant) / "telemetry"
            if DeltaTable.is_deltatable(str(folder)):
                DeltaTable(folder).to_pyarrow_table()
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert json.loads((tmp_path / "checkpoint").read_text()) == wanted
    for tenant in (1, 2):
        rows = DeltaTable(tmp_path / "history" / str(tenant) / "telemetry").to_pyarrow_table()
        at = sorted(rows.column("event_time").cast(pa.int64()).to_pylist())
        assert at == [START_US + n for n in range(1, wanted + 1)]


async def test_two_workers_of_one_partition_never_double_a_row(world: Any, make_batch: Any) -> None:
    old = world.writer
    batches = {n: [make_batch([7], [START_US + n])] for n in range(1, 5)}
    old.add(1, batches[1])
    await old.commit()
    new = world.restart(position=1)
    for writer in (old, new):
        writer.add(2, batches[2])
        writer.add(3, batches[3])
    await new.commit()
    old.add(4, batches[4])
    with pytest.raises(DependencyError, match="another worker"):
        await old.commit()
    await old.commit()
    assert table_of(world).count() == 4


async def test_a_cancelled_commit_ends_before_the_next_begins(world: Any, make_batch: Any) -> None:
    for tenant in range(1, 20):
        world.writer.add(tenant, [make_batch([7], [START_US], tenant=tenant)])
    running = asyncio.ensure_future(world.writer.commit())
    async with asyncio.timeout(30):
        while not (world.directory / "3").exists():  # noqa: ASYNC110 - a folder has no event
            await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await world.writer.commit()
    assert [table_of(world, tenant).count() for tenant in range(1, 20)] == [1] * 19


async def test_a_large_commit_is_written_in_pieces(
    world: Any, make_batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motorcade.history.writer._PIECE_ROWS", 100)
    at = START_US + np.arange(950)
    world.writer.add(1, [make_batch([7] * 950, at), make_batch([8], at[:1], tenant=2)])
    world.writer.add(2, [make_batch([9], at[:1], tenant=3, signals=[ODOMETER])])
    await world.writer.commit()
    result = await world.another_reader().query(1, 7)
    assert result.table.column("event_time").cast(pa.int64()).to_pylist() == at.tolist()
    assert SPEED not in table_of(world, 3).to_pyarrow_table().schema.names


async def test_one_tenants_broken_table_does_not_hold_the_others_up(
    world: Any, make_batch: Any
) -> None:
    """It is written once it is mended; the position waits for it."""
    world.writer.add(1, [make_batch([7, 8], [START_US] * 2, tenant=[1, 2])])
    await world.writer.commit()
    world.clock.advance(1000)
    world.restart(position=1)
    log = world.directory / "1" / "telemetry" / "_delta_log"
    entry = log / "00000000000000000000.json"
    kept = entry.read_bytes()
    entry.write_bytes(b"damaged")
    world.writer.add(2, [make_batch([7, 8], [START_US + 1] * 2, tenant=[1, 2])])
    for _ in range(2):
        with pytest.raises(DependencyError, match="tenant 1's"):
            await world.writer.commit()
    assert world.writer.position == 1
    assert TelemetryTable(world.directory, 2).position(0) == 2
    entry.write_bytes(kept)
    assert await world.writer.commit() == 2
    reader = world.another_reader()
    assert (await reader.query(1, 7)).table.num_rows == 2
    assert (await reader.query(2, 8)).table.num_rows == 2
    reader.close()


async def test_an_unreadable_record_is_kept_before_the_position_passes_it(
    world: Any, make_batch: Any
) -> None:
    world.writer.add(1, [make_batch([7], [START_US])])
    world.writer.add_fault(2, b"what nobody can read")
    world.writer.add_fault(2, b"again")
    blocked = world.directory / "faults"
    world.directory.mkdir(exist_ok=True)
    blocked.write_text("no folder")
    with pytest.raises(DependencyError, match="kept"):
        await world.writer.commit()
    assert world.writer.position == 0
    blocked.unlink()
    assert await world.writer.commit() == 2
    assert (blocked / "0-2.bin").read_bytes() == b"what nobody can read"
    await world.maintenance.run_once()
    assert (blocked / "0-2.bin").exists()
