"""The writing side of the history: takes log records, commits them to every tenant's table, answers
for the rest.

One ``HistoryWriter`` per log partition, in the worker that consumes it. Order of use::

    writer.add(record.sequence, record.batches)   # CapacityError: stop reading, commit, add again
    if writer.due:
        position = await writer.commit()          # everything through ``position`` is durable
    reply = await writer.answer_tail(payload)     # subject ``history.tail.<partition>``
"""

from __future__ import annotations

import asyncio
import errno
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.clock import Clock
from motorcade.errors import CapacityError, DependencyError, Invalid, MotorcadeError
from motorcade.history.config import Config
from motorcade.history.faults import Faults
from motorcade.history.files import DataFile, FileWriter, Span
from motorcade.history.rows import unique_order
from motorcade.history.schema import stored, with_values
from motorcade.history.table import Covers, TelemetryTable, table_folder
from motorcade.history.tail import Chunk, Tail, select
from motorcade.history.tail_request import TailAnswer, TailRequest, pack_rows
from motorcade.history.threads import give_memory_back, to_the_end
from motorcade.limits import HISTORY_TAIL_ANSWER_BYTES_MAX
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue

__all__ = ["HistoryWriter"]

_ESTIMATED_ROW_BYTES: Final = 64
_PIECE_ROWS: Final = 65_536


class HistoryWriter:
    """Keeps one partition's newest rows and brings them into the tenants' tables.

    ``position`` is the log sequence the caller's checkpoint holds: the first ``add`` follows it.
    Not safe to use from several threads; the slow parts run in threads of their own.
    """

    def __init__(
        self,
        directory: Path,
        partition: int,
        catalogue: Catalogue,
        clock: Clock,
        config: Config | None = None,
        *,
        position: int = 0,
    ) -> None:
        self._directory = directory
        self._partition = partition
        self._catalogue = catalogue
        self._clock = clock
        self._config = config or Config()
        self._tail = Tail(position)
        self._position = position
        self._committed_s = clock.monotonic_s()
        self._tables: OrderedDict[int, TelemetryTable] = OrderedDict()
        self._covered: dict[int, int] = {}
        self._committing = asyncio.Lock()
        self._faults = Faults(directory, partition)

    @property
    def position(self) -> int:
        """Log sequence through which every row is durable in the tables."""
        return self._position

    @property
    def last(self) -> int:
        """Log sequence of the newest record taken."""
        return self._tail.last

    @property
    def tail_bytes(self) -> int:
        """Bytes the tail holds."""
        return self._tail.bytes

    @property
    def pending_rows(self) -> int:
        """Rows taken and not yet committed."""
        return self._tail.pending_rows

    @property
    def due(self) -> bool:
        """Whether it is time to commit."""
        if self._tail.last == self._position:
            return False
        waited_s = self._clock.monotonic_s() - self._committed_s
        return (
            waited_s >= self._config.commit_interval_s
            or self._tail.pending_rows >= self._config.commit_rows
            or self._tail.pending_bytes * 2 >= self._config.tail_bytes_max
        )

    @property
    def full(self) -> bool:
        """Whether ``add`` would be refused until a commit succeeds."""
        return self._tail.pending_bytes >= self._config.tail_bytes_max

    def add(self, sequence: int, batches: Sequence[SignalBatch]) -> None:
        """Take the batches of one log record; a record taken before is passed over.

        ``CapacityError`` where the tail is full of rows not committed; nothing is taken then.
        """
        if sequence <= self._tail.last:
            return
        if self.full:
            raise CapacityError(
                "the history's tail is full until a commit succeeds", partition=self._partition
            )
        self._tail.add(sequence, batches)
        self._shed()

    def add_fault(self, sequence: int, data: bytes) -> None:
        """Take a log record nobody can read; the next commit keeps its bytes (``faults``)."""
        if sequence > self._tail.last:
            self._faults.add(sequence, data)
            self._tail.add(sequence, ())

    async def commit(self) -> int:
        """Write every pending row to its tenant's table; the position that is durable then.

        ``DependencyError`` where a table could not be written: its rows stay in the tail, the
        position stays, and the next commit writes what is missing. The other tables are written.
        """
        async with self._committing:
            self._committed_s = self._clock.monotonic_s()
            chunks = self._tail.pending()
            through = self._tail.last
            if self._faults.pending:
                await to_the_end(self._faults.keep)
            if chunks:
                await to_the_end(self._write, chunks, tuple(self._tail.kinds), through)
            self._tail.committed(chunks, self._clock.monotonic_s())
            self._position = through
            self._shed()
            return through

    async def answer_tail(self, payload: bytes, *, behind: bool = False) -> bytes:
        """Answer a reader's ``TailRequest`` (``history.tail_request``); ``Invalid`` if it is none.

        ``behind``: the caller knows of records it should have added long since."""
        try:
            request = msgspec.msgpack.decode(payload, type=TailRequest)
        except msgspec.MsgspecError as error:
            raise Invalid(f"not a tail request: {error}") from error
        covered = self._covered.get(request.tenant)
        if covered is None:
            covered = await asyncio.to_thread(self._load_position, request.tenant)
            covered = self._covered.setdefault(request.tenant, covered)
        tail = self._tail
        through = tail.last
        if request.after < tail.floor and request.after < covered:
            stale = TailAnswer(state="stale", through=through, behind=behind)
            return msgspec.msgpack.encode(stale)
        answer = await asyncio.to_thread(
            self._answer, tail.chunks(), tuple(tail.kinds), request, through
        )
        return msgspec.msgpack.encode(msgspec.structs.replace(answer, behind=behind))

    def _answer(
        self, chunks: Sequence[Chunk], kinds: Sequence[str], request: TailRequest, through: int
    ) -> TailAnswer:
        span = Span(request.first, request.last, request.from_us, request.to_us)
        rows = 0
        for chunk in chunks:
            rows += len(chunk.find(request.tenant, span, request.after))
            if rows * _ESTIMATED_ROW_BYTES > HISTORY_TAIL_ANSWER_BYTES_MAX:
                return TailAnswer(state="large", through=through)
        found = select(
            chunks,
            kinds,
            request.tenant,
            span,
            after=request.after,
            paths=request.paths,
            catalogue=self._catalogue,
        )
        data = pack_rows(found)
        if len(data) > HISTORY_TAIL_ANSWER_BYTES_MAX:
            return TailAnswer(state="large", through=through)
        return TailAnswer(state="ok", through=through, rows=data)

    def _load_position(self, tenant: int) -> int:
        table_folder(self._directory, tenant)
        return TelemetryTable(self._directory, tenant).position(self._partition)

    def _shed(self) -> None:
        before_s = self._clock.monotonic_s() - self._config.tail_grace_s
        self._tail.shed(before_s, self._config.tail_bytes_max)

    def _write(self, chunks: Sequence[Chunk], kinds: Sequence[str], through: int) -> None:
        """Write every tenant's rows; whatever one tenant's table has, the others are written."""
        failed: dict[int, Exception] = {}
        for tenant, part in _by_tenant(chunks):
            try:
                self._write_tenant(tenant, part, kinds, through)
            except Exception as error:
                failed[tenant] = error
                if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOSPC:
                    break
        give_memory_back()
        if failed:
            tenant, first = next(iter(failed.items()))
            raise DependencyError(
                f"{len(failed)} tables could not be written; tenant {tenant}'s: "
                f"{first.detail if isinstance(first, MotorcadeError) else repr(first)}",
                tenants=list(failed),
            ) from first

    def _write_tenant(self, tenant: int, part: _Part, kinds: Sequence[str], through: int) -> None:
        table = self._table(tenant)
        covered = self._covered.get(tenant)
        if covered is None:
            covered = self._covered[tenant] = table.position(self._partition)
        rows = part.order[part.sequence[part.order] > covered]
        if not len(rows):
            return
        table.prepare()
        file, columns = self._write_file(table.folder, part, rows, kinds)
        try:
            table.commit([file], columns=columns, covers=Covers(self._partition, covered, through))
        except Exception:
            self._tables.pop(tenant, None)
            self._covered.pop(tenant, None)  # the commit may have happened: ask the table
            raise
        self._covered[tenant] = through

    def _write_file(
        self, folder: Path, part: _Part, rows: NDArray[np.int64], kinds: Sequence[str]
    ) -> tuple[DataFile, pa.Schema]:
        """Write ``rows`` of ``part`` piece by piece, so that no second copy of them all is held."""
        source = with_values(part.rows, rows)
        writer: FileWriter | None = None
        for piece in np.array_split(rows, -(-len(rows) // _PIECE_ROWS)):
            taken = source.take(pa.array(piece))
            data = stored(taken, part.kind[piece], kinds, self._catalogue)
            if writer is None:
                writer = FileWriter(folder, data.schema, self._config.row_group_rows)
            writer.write(data)
        if writer is None:
            raise ValueError("a file needs rows")
        return writer.finish(), data.schema

    def _table(self, tenant: int) -> TelemetryTable:
        table = self._tables.get(tenant)
        if table is None:
            table = self._tables[tenant] = TelemetryTable(self._directory, tenant)
            if len(self._tables) > self._config.tables_open_max:
                self._tables.popitem(last=False)
        self._tables.move_to_end(tenant)
        return table


class _Part:
    """One tenant's share of a commit: ``order`` (indices into ``rows``), sorted, doubles
    dropped."""

    __slots__ = ("kind", "order", "rows", "sequence")

    def __init__(
        self,
        rows: pa.Table,
        kind: NDArray[np.int8],
        sequence: NDArray[np.int64],
        order: NDArray[np.int64],
    ) -> None:
        self.rows = rows
        self.kind = kind
        self.sequence = sequence
        self.order = order


def _by_tenant(chunks: Sequence[Chunk]) -> Iterator[tuple[int, _Part]]:
    rows = pa.concat_tables([c.rows for c in chunks], promote_options="permissive").combine_chunks()
    kind = np.concatenate([chunk.kind for chunk in chunks])
    sequence = np.concatenate([chunk.sequence for chunk in chunks])
    columns = {name: _joined(chunks, name) for name in ("vehicle", "event_time", "record")}
    ingest = _joined(chunks, "ingest_time")
    tenant = _joined(chunks, "tenant")
    by_tenant = np.argsort(tenant, kind="stable")
    names, starts = np.unique(tenant[by_tenant], return_index=True)
    for name, mine in zip(names.tolist(), np.split(by_tenant, starts[1:]), strict=True):
        order = unique_order(
            columns["vehicle"][mine],
            columns["event_time"][mine],
            kind[mine],
            columns["record"][mine],
            ingest[mine],
        )
        yield int(name), _Part(rows, kind, sequence, mine[order])


def _joined(chunks: Sequence[Chunk], name: str) -> NDArray[Any]:
    return np.concatenate([chunk.numpy(name) for chunk in chunks])
