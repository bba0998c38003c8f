"""The worker role: keeps twin and history of its partitions, and answers for them.

In: the log's records, in order. Out: twin files, Delta tables, the checkpoint, answers to readers
of other processes. Effects come before the checkpoint and may be repeated; nothing is half done.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from motorcade.errors import CapacityError, CorruptionError, DependencyError, MotorcadeError
from motorcade.history.tail_request import subject as tail_subject
from motorcade.limits import TWIN_GATHER_ROWS_MAX
from motorcade.log.log import Log
from motorcade.log.log import Record as LogRecord
from motorcade.signals.batch import SignalBatch
from motorcade.tasks import ended
from motorcade.twin.config import Config
from motorcade.twin.reader import TwinReader
from motorcade.twin.service import TwinService, select_subject, state_subject
from motorcade.twin.writer import TwinWriter

__all__ = ["History", "PartitionWorker", "WorkerMetrics", "run_worker"]

_log = structlog.get_logger(__name__)

_DUE_EVERY_S: Final = 0.25
_RETRY_FIRST_S: Final = 0.5
_RETRY_MAX_S: Final = 30.0
_FULL_PAUSE_S: Final = 0.1
_ROOM_EVERY_S: Final = 0.5
_BEHIND_S: Final = 2.0
_BEHIND: Final = 16
"""Records waiting in the log beyond which there is nothing to gather: they are here already."""


class History(Protocol):
    """What the worker needs of ``history.writer.HistoryWriter``."""

    @property
    def position(self) -> int: ...

    @property
    def due(self) -> bool: ...

    def add(self, sequence: int, batches: Sequence[SignalBatch]) -> None: ...

    async def commit(self) -> int: ...

    def add_fault(self, sequence: int, data: bytes) -> None: ...

    async def answer_tail(self, payload: bytes, *, behind: bool = False) -> bytes: ...


@dataclass(slots=True)
class _Counts:
    """What one partition's worker has done."""

    position: int = 0
    pending: int = 0
    rows: int = 0
    records: int = 0
    gaps: int = 0
    faults: int = 0
    apply_s: float = 0.0
    commits: int = 0
    commits_failed: int = 0
    commit_s: float = 0.0
    lag_s: float = 0.0
    behind: bool = True
    stopped: bool = False


@dataclass(slots=True)
class PartitionWorker:
    """One partition: its log, its twin's writer, its history's writer."""

    partition: int
    log: Log
    twin: TwinWriter
    history: History
    config: Config
    now_us: Callable[[], int]
    kept_from: Callable[[int], int | None] = lambda partition: None
    """The sequence behind which somebody else still wants the partition's records."""
    counts: _Counts = field(default_factory=_Counts)
    _committing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _had: int | None = None
    _taking_s: float | None = None
    _looked_s: float = 0.0

    async def follow(self) -> None:
        """Take the partition's records from the checkpoint on, for ever; cancel it to stop.

        Raises ``CorruptionError`` where the log is not the one the checkpoint is of.
        """
        start = min(self.twin.position, self.history.position)
        self.counts.position = start
        _log.info("partition followed", partition=self.partition, after=start)
        self._had = await self._end_of_log()
        async with self.log.consume(self.partition, start) as consumer:
            while True:
                began = time.monotonic()
                records = await consumer.take(self.config.apply_records_max)
                self._taking_s = time.monotonic()
                await self._take(records)
                self._taking_s = None
                if records[-1].pending <= _BEHIND:
                    rest = self.config.coalesce_ms / 1000 - (time.monotonic() - began)
                    await asyncio.sleep(max(rest, 0))

    @property
    def behind(self) -> bool:
        """Whether records that were stored a while ago are not yet in history and twin: what the
        log held at the start, those of more than 2 s ago, those of a partition that stopped."""
        if self.counts.stopped or self._had is None or self.counts.position < self._had:
            return True
        if self._taking_s is not None and time.monotonic() - self._taking_s > _BEHIND_S:
            return True
        return self.counts.pending > 0 and self.counts.lag_s > _BEHIND_S

    async def answer_tail(self, payload: bytes) -> bytes:
        """Answer a reader of the history, and say whether rows may be missing."""
        return await self.history.answer_tail(payload, behind=self.behind)

    async def commit_when_due(self) -> None:
        """Commit whenever the history says so, or the log needs the room, for ever; waits longer
        after each failure."""
        wait = _DUE_EVERY_S
        while True:
            await asyncio.sleep(wait)
            if not self.history.due and not await self._room_wanted():
                continue
            try:
                await self.commit()
                wait = _DUE_EVERY_S
            except MotorcadeError as error:
                wait = min(max(_RETRY_FIRST_S, wait * 2), _RETRY_MAX_S)
                self._failed(error, wait)

    async def commit(self) -> int:
        """Make everything taken so far durable, move the checkpoint, trim the log behind it.

        Returns the checkpoint. Raises ``DependencyError`` where a disk or engine does not let it;
        the checkpoint stays then.
        """
        async with self._committing:
            began = time.monotonic()
            position = await self.history.commit()
            await asyncio.to_thread(self.twin.checkpoint, position)
            if self.config.trim_log:
                await self._trim(position)
            self.counts.commits += 1
            self.counts.commit_s += time.monotonic() - began
            return position

    async def _trim(self, position: int) -> None:
        """Forget what nobody needs; where room is getting short, what the history has."""
        if await self.log.tight(self.partition):
            await self.log.trim(self.partition, position)
            return
        through = max(position - self.config.keep_records, 0)
        wanted = self.kept_from(self.partition)
        await self.log.trim(self.partition, through if wanted is None else min(through, wanted))

    async def _end_of_log(self) -> int:
        """The newest sequence the log holds now; waits until it answers."""
        while True:
            try:
                bounds = await self.log.bounds(self.partition)
                return bounds.last if bounds.messages else 0
            except DependencyError as error:
                _log.warning("log awaited", partition=self.partition, error=error.detail)
                await asyncio.sleep(_RETRY_FIRST_S)

    async def _room_wanted(self) -> bool:
        """Whether the log is short of room and a commit would give it some; looks now and then."""
        if not self.config.trim_log or time.monotonic() - self._looked_s < _ROOM_EVERY_S:
            return False
        self._looked_s = time.monotonic()
        try:
            if not await self.log.tight(self.partition):
                return False
            bounds = await self.log.bounds(self.partition)
        except MotorcadeError:
            return False
        return bounds.first < min(self.counts.position + 1, bounds.last)

    async def _take(self, records: Sequence[LogRecord]) -> None:
        """Apply records in groups small enough to leave the loop to others in between."""
        for record in records:
            self._note(record)
        for group in _groups(records):
            began = time.perf_counter()
            for rows in self.twin.steps([batch for record in group for batch in record.batches]):
                self.counts.rows += rows
                self.counts.apply_s += time.perf_counter() - began
                await asyncio.sleep(0)
                began = time.perf_counter()
            for record in group:
                await self._remember(record)
            self.counts.records += len(group)
            self.counts.position = group[-1].sequence
            await asyncio.sleep(0)
        self.counts.pending = records[-1].pending
        self.counts.lag_s = max(self.now_us() - records[-1].time_us, 0) / 1e6

    async def _remember(self, record: LogRecord) -> None:
        """Hand a record to the history; while its tail is full, commit first."""
        while True:
            try:
                if record.fault is not None:
                    self.history.add_fault(record.sequence, record.data)
                else:
                    self.history.add(record.sequence, record.batches)
                return
            except CapacityError:
                try:
                    await self.commit()
                except MotorcadeError as error:
                    self._failed(error, _RETRY_FIRST_S)
                    await asyncio.sleep(_RETRY_FIRST_S)
                await asyncio.sleep(_FULL_PAUSE_S)

    def _note(self, record: LogRecord) -> None:
        if record.gap:
            self.counts.gaps += record.gap
            _log.error(
                "log records are missing: trimmed before they were read, or lost by the store",
                partition=self.partition,
                before=record.sequence,
                missing=record.gap,
            )
        if record.fault is not None:
            self.counts.faults += 1

    def _failed(self, error: MotorcadeError, wait_s: float) -> None:
        self.counts.commits_failed += 1
        _log.error("commit failed", partition=self.partition, error=error.detail, again_in_s=wait_s)


async def run_worker(
    workers: Sequence[PartitionWorker],
    reader: TwinReader,
    stopping: asyncio.Event,
    *,
    beside: Sequence[Callable[[], Awaitable[None]]] = (),
    serving: Callable[[], None] = lambda: None,
) -> None:
    """Follow the partitions and answer for them until ``stopping`` is set; then commit and close.

    ``reader`` reads the workers' own partitions. ``beside`` are further things to run meanwhile
    (``history.maintenance.Maintenance.run``); ``serving`` is told once all is up. A partition whose
    log or files are damaged stops alone (``counts.stopped``, and its metric); raises what stopped
    the last of them, and whatever else ended the work.
    """
    if not workers:
        await stopping.wait()
        return
    tasks: list[asyncio.Task[Any]] = []
    try:
        async with _answering(workers, TwinService(reader)):
            for worker in workers:
                tasks.append(asyncio.create_task(_follow(worker, workers)))
                tasks.append(asyncio.create_task(worker.commit_when_due()))
            tasks += [asyncio.ensure_future(run()) for run in beside]
            tasks.append(asyncio.create_task(stopping.wait()))
            serving()
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await ended(*tasks)
            await _commit_last(workers)
            for task in done:
                task.result()
    finally:
        await ended(*tasks)
        for worker in workers:
            worker.twin.close()


async def _follow(worker: PartitionWorker, workers: Sequence[PartitionWorker]) -> None:
    """Follow one partition; where it is damaged the others go on while there are any."""
    try:
        await worker.follow()
    except CorruptionError as error:
        worker.counts.stopped = True
        _log.error("partition stopped", partition=worker.partition, error=error.detail)
        if all(one.counts.stopped for one in workers):
            raise
        await asyncio.Event().wait()


class WorkerMetrics(Collector):
    """The numbers of one worker process, in the text format Prometheus reads."""

    def __init__(self, workers: Sequence[PartitionWorker]) -> None:
        self._workers = workers
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """The figures now."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """One family per figure, labelled by partition."""
        for name, text, counted in _FAMILIES:
            kind = CounterMetricFamily if counted else GaugeMetricFamily
            family = kind(f"motorcade_worker_{name}", text, labels=["partition"])
            for worker in self._workers:
                worker.counts.behind = worker.behind
                family.add_metric([str(worker.partition)], getattr(worker.counts, name))
            yield family
        for name, text in _TWIN_FAMILIES:
            family = GaugeMetricFamily(f"motorcade_twin_{name}", text, labels=["partition"])
            for worker in self._workers:
                family.add_metric([str(worker.partition)], getattr(worker.twin, name))
            yield family


_FAMILIES: Final = (
    ("position", "Log sequence applied last.", False),
    ("pending", "Log records behind it when it was sent.", False),
    ("lag_s", "Seconds between a record's storing and its being applied, last seen.", False),
    ("behind", "1 while records stored a while ago are not yet applied.", False),
    ("stopped", "1 where the partition is damaged and nothing of it is applied.", False),
    ("rows", "Rows applied.", True),
    ("records", "Log records applied.", True),
    ("gaps", "Log records that were missing.", True),
    ("faults", "Log records that could not be read.", True),
    ("apply_s", "Seconds spent on the twin.", True),
    ("commits", "Commits of history and checkpoint.", True),
    ("commits_failed", "Commits that failed and were tried again.", True),
    ("commit_s", "Seconds spent on commits.", True),
)
_TWIN_FAMILIES: Final = (
    ("rows", "Highest row in use, plus one."),
    ("signals_in_use", "Signal columns that exist."),
    ("dropped", "Rows no row of the twin could hold."),
)


@contextlib.asynccontextmanager
async def _answering(
    workers: Sequence[PartitionWorker], service: TwinService
) -> AsyncIterator[None]:
    """Serve the partitions' requests."""
    async with contextlib.AsyncExitStack() as stack:
        for worker in workers:
            subjects = {
                state_subject(worker.partition): service.state,
                select_subject(worker.partition): service.select,
                tail_subject(worker.partition): worker.answer_tail,
            }
            for subject, handler in subjects.items():
                served = await worker.log.serve(subject, handler)
                stack.push_async_callback(served.close)
        yield


async def _commit_last(workers: Sequence[PartitionWorker]) -> None:
    """The commit of a clean stop; where it fails the next start replays a little more."""

    async def one(worker: PartitionWorker) -> None:
        try:
            await worker.commit()
        except MotorcadeError as error:
            _log.warning("last commit failed", partition=worker.partition, error=error.detail)

    await asyncio.gather(*map(one, workers))


def _groups(records: Sequence[LogRecord]) -> Iterator[list[LogRecord]]:
    """Records in order, in groups of bounded rows."""
    group: list[LogRecord] = []
    rows = 0
    for record in records:
        size = sum(len(batch) for batch in record.batches)
        if group and rows + size > TWIN_GATHER_ROWS_MAX:
            yield group
            group, rows = [], 0
        group.append(record)
        rows += size
    if group:
        yield group
