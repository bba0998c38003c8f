"""The worker role with a real log and real tables: live state, kill -9, gaps, failing disks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from engines_nats import Nats
from motorcade.clock import SystemClock
from motorcade.errors import CapacityError, CorruptionError, DependencyError
from motorcade.history.config import Config as HistoryConfig
from motorcade.history.tail_request import TailAnswer, TailRequest
from motorcade.history.writer import HistoryWriter
from motorcade.log.log import Config as LogConfig
from motorcade.log.log import Log
from motorcade.node.worker import PartitionWorker, WorkerMetrics, run_worker
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue, load_catalogue
from motorcade.twin.config import Config as TwinConfig
from motorcade.twin.layout import read_columns
from motorcade.twin.reader import TwinReader
from motorcade.twin.service import RemoteTwin
from motorcade.twin.writer import TwinWriter

pytestmark = pytest.mark.engines

SPEED = "Vehicle.Speed"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
MOVING = "Vehicle.IsMoving"
CLOCK = SystemClock()
DEADLINE_S = 30.0


def batch(catalogue: Catalogue, number: int, vehicles: int = 50) -> SignalBatch:
    """Every vehicle's report ``number``; each third one comes late, lists grow and shrink."""
    ids = np.arange(1, vehicles + 1, dtype=np.uint64)
    seconds = 1_750_000_000 + number - np.where(ids % 3 == 0, number % 5, 0).astype(np.int64)
    cells = [[float(number)] * (1 + (number * int(i)) % 40) for i in ids]
    meta = {
        "tenant": np.where(ids % 2 == 0, 7, 8).astype(np.uint32),
        "vehicle": ids,
        "event_time": seconds * 1_000_000,
        "ingest_time": np.full(vehicles, CLOCK.now_us()),
        "record": ids + np.uint64(number << 32),
        "reissued": np.zeros(vehicles, np.bool_),
    }
    speed = pa.array(np.full(vehicles, number, np.float32), mask=ids % 4 == 0)
    signals = {
        SPEED: speed,
        CELLS: pa.array(cells, catalogue[CELLS].arrow_type),
        MOVING: pa.array(ids % 2 == number % 2),
    }
    return SignalBatch.build("report", meta, signals)


def worker_of(
    log: Log, directory: Path, catalogue: Catalogue, history: HistoryConfig, **twin: int
) -> PartitionWorker:
    writer = TwinWriter(directory / "twin", 0, 1, catalogue)
    tables = HistoryWriter(
        directory / "history", 0, catalogue, CLOCK, history, position=writer.position
    )
    return PartitionWorker(0, log, writer, tables, TwinConfig(**twin), CLOCK.now_us)


async def until(true: Callable[[], Any]) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        while not (value := true()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return value


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    async with Nats(tmp_path) as server:
        yield server


@pytest.fixture
async def log(nats: Nats) -> AsyncIterator[Log]:
    connected = await Log.connect(nats.config(partitions=1))
    yield connected
    await connected.close()


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


class Running:
    """A worker at work in this process; ``async with Running(worker, reader)``."""

    def __init__(self, worker: PartitionWorker, reader: TwinReader) -> None:
        self._stopping = asyncio.Event()
        self.served = asyncio.Event()
        self._run = run_worker([worker], reader, self._stopping, serving=self.served.set)

    async def __aenter__(self) -> Running:
        self._task = asyncio.create_task(self._run)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        async with asyncio.timeout(DEADLINE_S):
            await self._task


async def test_appended_is_live_queryable_and_committed_on_a_clean_stop(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    worker = worker_of(log, tmp_path, catalogue, HistoryConfig(commit_interval_s=3600))
    metrics = WorkerMetrics([worker])
    reader = TwinReader(tmp_path / "twin", 1, catalogue)
    async with Running(worker, reader) as running:
        await running.served.wait()
        for number in range(1, 6):
            last = await log.append(0, [batch(catalogue, number)])
        await until(lambda: worker.counts.position == last)
        state = reader.state(2, 7)
        assert state is not None
        assert state.signals[SPEED].value == 5.0
        remote = RemoteTwin(log.request, 1)
        assert await remote.fetch(2, 7) == state
        assert await remote.fetch(2, 8) is None
        table = await remote.select(7, where=f"{SPEED} = 5", signals=[SPEED])
        assert table.equals(reader.select(7, where=f"{SPEED} = 5", signals=[SPEED]))
        answer = await _tail(log, tenant=7)
        assert answer.state == "ok"
        assert answer.rows
        assert b'motorcade_worker_rows_total{partition="0"} 250.0' in metrics.render()
    assert worker.history.position == last
    again = TwinWriter(tmp_path / "twin", 0, 1, catalogue)
    assert again.position == last
    again.close()


async def test_commits_move_the_checkpoint_and_trim_the_log(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    worker = worker_of(
        log, tmp_path, catalogue, HistoryConfig(commit_interval_s=0.1), keep_records=2
    )
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)):
        for number in range(1, 11):
            last = await log.append(0, [batch(catalogue, number)])
        await until(lambda: worker.twin.position == last)
        async with asyncio.timeout(DEADLINE_S):
            while await log.first_sequence(0) != last - 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert worker.counts.commits >= 1


async def test_the_log_is_not_trimmed_behind_what_somebody_else_wants(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    config = HistoryConfig(commit_interval_s=0.1)
    worker = worker_of(log, tmp_path, catalogue, config, keep_records=0)
    wanted: int | None = 3
    worker.kept_from = lambda partition: wanted
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)):
        for number in range(1, 11):
            last = await log.append(0, [batch(catalogue, number)])
        await until(lambda: worker.twin.position == last)
        await worker.commit()
        assert await log.first_sequence(0) == 4
        wanted = None
        await worker.commit()
        assert await log.first_sequence(0) == last


async def test_a_log_that_is_not_to_be_trimmed_is_whole(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    config = HistoryConfig(commit_interval_s=0.1)
    worker = worker_of(log, tmp_path, catalogue, config, keep_records=0, trim_log=False)
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)):
        for number in range(1, 11):
            last = await log.append(0, [batch(catalogue, number)])
        await until(lambda: worker.twin.position == last)
    assert await log.first_sequence(0) == 1


async def test_a_full_tail_stops_reading_until_commits_succeed_again(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    tight = HistoryConfig(commit_interval_s=3600, tail_bytes_max=20_000)
    worker = worker_of(log, tmp_path, catalogue, tight)
    blocked = tmp_path / "history"
    blocked.write_text("no folder: commits fail")
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)):
        for number in range(1, 21):
            last = await log.append(0, [batch(catalogue, number)])
        await until(lambda: worker.counts.commits_failed)
        assert worker.counts.position < last
        blocked.unlink()
        await until(lambda: worker.counts.position == last)
    assert worker.twin.position == last


async def test_a_small_log_takes_appends_for_ever(
    tmp_path: Path, nats: Nats, catalogue: Catalogue
) -> None:
    """Neither ``keep_records`` nor the time of the next commit may let it fill up for good."""
    log = await Log.connect(nats.config(partitions=1, bytes_max=150_000))
    worker = worker_of(log, tmp_path, catalogue, HistoryConfig(commit_interval_s=3600))
    assert worker.config.keep_records == 1000
    size = 0
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)):
        async with asyncio.timeout(4 * DEADLINE_S):
            for number in range(1, 41):
                while True:
                    try:
                        last = await log.append(0, [batch(catalogue, number, vehicles=200)])
                        break
                    except CapacityError:
                        await asyncio.sleep(0.05)
                size += batch(catalogue, number, vehicles=200).data.nbytes
        await until(lambda: worker.counts.position == last)
    assert size > 3 * 150_000
    assert worker.counts.gaps == 0
    await log.close()


async def test_an_unreadable_record_outlives_the_logs_trimming(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    worker = worker_of(
        log, tmp_path, catalogue, HistoryConfig(commit_interval_s=0.1), keep_records=0
    )
    await log.append(0, [batch(catalogue, 1)])
    deadline = CLOCK.monotonic_s() + 10
    damaged = await log._appending.store(0, b"MCL1 but no message", deadline)
    await log.append(0, [batch(catalogue, 2)])
    last = await log.append(0, [batch(catalogue, 3)])
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)):
        async with asyncio.timeout(DEADLINE_S):
            while await log.first_sequence(0) < last:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    kept = tmp_path / "history" / "faults" / f"0-{damaged}.bin"
    assert kept.read_bytes() == b"MCL1 but no message"
    assert worker.counts.faults == 1


async def test_a_restarted_worker_says_behind_until_it_has_what_the_log_held(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    for number in range(1, 11):
        last = await log.append(0, [batch(catalogue, number)])
    worker = worker_of(log, tmp_path, catalogue, HistoryConfig())
    asked = TailRequest(tenant=7, first=1, last=50, from_us=0, to_us=2**62, after=0)
    payload = msgspec.msgpack.encode(asked)
    first = msgspec.msgpack.decode(await worker.answer_tail(payload), type=TailAnswer)
    assert first.behind
    metrics = WorkerMetrics([worker])
    assert b'motorcade_worker_behind{partition="0"} 1.0' in metrics.render()
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)) as running:
        await running.served.wait()
        async with asyncio.timeout(DEADLINE_S):
            while (answer := await _tail(log, tenant=7)).behind:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert answer.through == last
        assert b'motorcade_worker_behind{partition="0"} 0.0' in metrics.render()


async def test_a_worker_that_cannot_take_records_says_behind(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    tight = HistoryConfig(commit_interval_s=3600, tail_bytes_max=20_000)
    worker = worker_of(log, tmp_path, catalogue, tight)
    blocked = tmp_path / "history"
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)):
        await until(lambda: not worker.behind)
        blocked.write_text("no folder: commits fail")
        for number in range(1, 21):
            last = await log.append(0, [batch(catalogue, number)])
        await until(lambda: worker.behind)
        blocked.unlink()
        await until(lambda: worker.counts.position == last and not worker.behind)


async def test_a_damaged_partition_leaves_its_siblings_working(
    tmp_path: Path, nats: Nats, catalogue: Catalogue
) -> None:
    log = await Log.connect(nats.config(partitions=2))
    workers = []
    for partition in (0, 1):
        twin = TwinWriter(tmp_path / "twin", partition, 2, catalogue)
        if partition == 0:
            twin.checkpoint(99)  # of another log: this one is empty
        tables = HistoryWriter(
            tmp_path / "history", partition, catalogue, CLOCK, position=twin.position
        )
        workers.append(PartitionWorker(partition, log, twin, tables, TwinConfig(), CLOCK.now_us))
    stopping = asyncio.Event()
    reader = TwinReader(tmp_path / "twin", 2, catalogue)
    role = asyncio.create_task(run_worker(workers, reader, stopping))
    await until(lambda: workers[0].counts.stopped)
    odd = batch(catalogue, 1).take(np.arange(0, 50, 2))
    last = await log.append(1, [odd])
    await until(lambda: workers[1].counts.position == last)
    assert not role.done()
    assert [worker.behind for worker in workers] == [True, False]
    assert b'motorcade_worker_stopped{partition="0"} 1.0' in WorkerMetrics(workers).render()
    stopping.set()
    await role
    await log.close()


async def test_where_every_partition_is_damaged_the_role_ends(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    worker = worker_of(log, tmp_path, catalogue, HistoryConfig())
    worker.twin.checkpoint(99)
    worker.history = HistoryWriter(tmp_path / "history", 0, catalogue, CLOCK, position=99)
    reader = TwinReader(tmp_path / "twin", 1, catalogue)
    with pytest.raises(CorruptionError, match="before the reader's position"):
        await run_worker([worker], reader, asyncio.Event())


async def test_missing_records_are_counted(tmp_path: Path, log: Log, catalogue: Catalogue) -> None:
    for number in range(1, 11):
        last = await log.append(0, [batch(catalogue, number)])
    await log.trim(0, last - 3)
    worker = worker_of(log, tmp_path, catalogue, HistoryConfig())
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)):
        await until(lambda: worker.counts.position == last)
    assert worker.counts.gaps == last - 3


async def test_what_ends_a_partition_ends_the_role(
    tmp_path: Path, log: Log, catalogue: Catalogue
) -> None:
    worker = worker_of(log, tmp_path, catalogue, HistoryConfig())
    failing = asyncio.Event()

    async def beside() -> None:
        await failing.wait()
        raise DependencyError("as asked")

    reader = TwinReader(tmp_path / "twin", 1, catalogue)
    role = run_worker([worker], reader, asyncio.Event(), beside=[beside], serving=failing.set)
    with pytest.raises(DependencyError, match="as asked"):
        await role


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_any_moment_the_twin_equals_a_replay_of_the_log(
    tmp_path: Path, nats: Nats, log: Log, catalogue: Catalogue, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    reader = TwinReader(tmp_path / "twin", 1, catalogue)
    number = 0
    for _ in range(3):
        process = _worker_process(nats.config(partitions=1), tmp_path)
        seen = number
        left = int(rng.integers(5, 60))
        try:
            async with asyncio.timeout(DEADLINE_S):
                while left:  # some more, once it has taken records of this round
                    number += 1
                    await log.append(0, [batch(catalogue, number)])
                    await asyncio.sleep(0.005)
                    left -= _newest(reader) > seen
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    last = await log.last_sequence(0)
    worker = worker_of(log, tmp_path, catalogue, HistoryConfig())
    async with Running(worker, TwinReader(tmp_path / "twin", 1, catalogue)):
        await until(lambda: worker.counts.position == last)
    replayed = TwinWriter(tmp_path / "replay", 0, 1, catalogue)
    async with log.consume(0, 0) as records:
        while records.position < last:
            replayed.apply((await anext(records)).batches)
    replayed.close()
    assert _everything(tmp_path / "twin", catalogue) == _everything(tmp_path / "replay", catalogue)


def _newest(reader: TwinReader) -> float:
    """The number of the newest report the twin shows of a vehicle that is never late."""
    try:
        state = reader.platform_state(1)
    except DependencyError:  # it was killed in this very row
        return 0
    return state.signals[SPEED].value if state is not None else 0


def _everything(directory: Path, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Every column of every row, times and quality included."""
    reader = TwinReader(directory, 1, catalogue)
    states = [reader.platform_state(vehicle) for vehicle in range(1, 51)]
    columns = sorted(column.path for column in read_columns(directory / "p0"))
    assert columns == sorted([SPEED, CELLS, MOVING])
    return [
        {"tenant": s.tenant, "time": s.event_time_us, "seen": s.seen_s, **s.signals}
        for s in states
        if s is not None
    ]


def _worker_process(config: LogConfig, directory: Path) -> subprocess.Popen[bytes]:
    arguments = [config.url_file, config.directory, str(directory)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, __file__, *arguments], env=environment)


async def _tail(log: Log, tenant: int) -> TailAnswer:
    asked = TailRequest(tenant=tenant, first=1, last=50, from_us=0, to_us=2**62, after=0)
    data = await log.request("history.tail.0", msgspec.msgpack.encode(asked), 10)
    return msgspec.msgpack.decode(data, type=TailAnswer)


async def _main(url_file: str, nats_directory: str, directory: Path) -> None:
    """A worker process of its own, to be killed."""
    catalogue = load_catalogue()
    config = LogConfig(
        url_file=url_file,
        directory=nats_directory,
        partitions=1,
        bytes_max=1 << 30,
        disk_reserve_bytes=0,
    )
    log = await Log.connect(config)
    worker = worker_of(log, directory, catalogue, HistoryConfig(commit_interval_s=0.2))
    reader = TwinReader(directory / "twin", 1, catalogue)
    await run_worker([worker], reader, asyncio.Event())


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
