"""The twin over request and reply, for processes of hosts that do not have its files.

``TwinService`` answers beside the writer; ``RemoteTwin`` asks. Messages are msgpack; selected rows
are an Arrow IPC stream inside. A request without a tenant cannot be written. Errors travel as the
log's request and reply carry them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
import pyarrow as pa

from motorcade.errors import Invalid
from motorcade.limits import TWIN_ANSWER_BYTES_MAX
from motorcade.signals.batch import Quality
from motorcade.twin.reader import Reading, State, TwinReader

__all__ = ["Request", "TwinService", "RemoteTwin", "state_subject", "select_subject"]

Request = Callable[[str, bytes, float], Awaitable[bytes]]
"""Ask a subject, with a time limit in seconds: ``Log.request``."""

_Struct = TypeVar("_Struct")


def state_subject(partition: int) -> str:
    """Where a partition's states are asked for."""
    return f"twin.state.{partition}"


def select_subject(partition: int) -> str:
    """Where a partition's selections are asked for."""
    return f"twin.select.{partition}"


class _StateRequest(msgspec.Struct, frozen=True, array_like=True):
    tenant: int
    vehicle: int
    signals: list[str] | None


class _SelectRequest(msgspec.Struct, frozen=True, array_like=True):
    tenant: int
    bbox: tuple[float, float, float, float] | None
    where: str | None
    signals: list[str]
    limit: int
    after: int


class _StateAnswer(msgspec.Struct, frozen=True, array_like=True):
    event_time_us: int = 0
    """0: no such state."""
    seen_s: int = 0
    signals: dict[str, tuple[Any, int, int]] = {}


class _SelectAnswer(msgspec.Struct, frozen=True, array_like=True):
    rows: bytes = b""
    more: bool = False
    """Whether the answer was cut for its size, before the asked limit."""


class TwinService:
    """Answers for the partitions its reader has. Raises as the reader does, and ``Invalid`` for
    bytes that are no request."""

    def __init__(self, reader: TwinReader) -> None:
        self._reader = reader

    async def state(self, payload: bytes) -> bytes:
        """Answer to ``twin.state.<partition>``."""
        asked = _read(payload, _StateRequest)
        state = await self._reader.fetch(asked.vehicle, asked.tenant, asked.signals)
        if state is None:
            return msgspec.msgpack.encode(_StateAnswer())
        signals = {
            path: (reading.value, reading.time_us, int(reading.quality))
            for path, reading in state.signals.items()
        }
        return msgspec.msgpack.encode(_StateAnswer(state.event_time_us, state.seen_s, signals))

    async def select(self, payload: bytes) -> bytes:
        """Answer to ``twin.select.<partition>``."""
        asked = _read(payload, _SelectRequest)
        return msgspec.msgpack.encode(await asyncio.to_thread(self._select, asked))

    def _select(self, asked: _SelectRequest) -> _SelectAnswer:
        table = self._reader.select(
            asked.tenant,
            bbox=asked.bbox,
            where=asked.where,
            signals=asked.signals,
            limit=asked.limit,
            after=asked.after,
        )
        rows = _packed(table)
        more = False
        while len(rows) > TWIN_ANSWER_BYTES_MAX and table.num_rows > 1:
            table = table.slice(0, table.num_rows // 2)
            rows = _packed(table)
            more = True
        return _SelectAnswer(rows=rows, more=more)


class RemoteTwin:
    """What ``TwinReader`` does, asked of the workers."""

    def __init__(self, request: Request, partitions: int, *, timeout_s: float = 5.0) -> None:
        self._request = request
        self._partitions = partitions
        self._timeout_s = timeout_s

    async def fetch(
        self, vehicle: int, tenant: int, signals: Sequence[str] | None = None
    ) -> State | None:
        """As ``TwinReader.fetch``; ``DependencyError`` also where no worker answers."""
        asked = _StateRequest(tenant, vehicle, None if signals is None else list(signals))
        subject = state_subject(vehicle % self._partitions)
        data = await self._request(subject, msgspec.msgpack.encode(asked), self._timeout_s)
        answer = msgspec.msgpack.decode(data, type=_StateAnswer)
        if not answer.event_time_us:
            return None
        readings = {
            path: Reading(value, time_us, Quality(quality))
            for path, (value, time_us, quality) in answer.signals.items()
        }
        return State(vehicle, tenant, answer.event_time_us, answer.seen_s, readings)

    async def select(
        self,
        tenant: int,
        *,
        bbox: tuple[float, float, float, float] | None = None,
        where: str | None = None,
        signals: Sequence[str] = (),
        limit: int = 1_000,
        after: int = 0,
    ) -> pa.Table:
        """As ``TwinReader.select``, over every partition."""
        asked = _SelectRequest(tenant, bbox, where, list(signals), limit, after)
        parts = await asyncio.gather(
            *(self._partition(number, asked) for number in range(self._partitions))
        )
        table = pa.concat_tables(parts).combine_chunks().sort_by("vehicle")
        return table.slice(0, limit)

    async def _partition(self, number: int, asked: _SelectRequest) -> pa.Table:
        """One partition's rows, asked for again where an answer had to be cut."""
        tables: list[pa.Table] = []
        left, after = asked.limit, asked.after
        while True:
            part = msgspec.structs.replace(asked, limit=left, after=after)
            data = await self._request(
                select_subject(number), msgspec.msgpack.encode(part), self._timeout_s
            )
            answer = msgspec.msgpack.decode(data, type=_SelectAnswer)
            table = pa.ipc.open_stream(answer.rows).read_all()
            tables.append(table)
            left -= table.num_rows
            if not answer.more or left <= 0:
                return pa.concat_tables(tables).unify_dictionaries()
            after = table["vehicle"][-1].as_py()


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.unify_dictionaries())
    return bytes(sink.getvalue())


def _read(payload: bytes, kind: type[_Struct]) -> _Struct:
    try:
        return msgspec.msgpack.decode(payload, type=kind)
    except msgspec.MsgspecError as error:
        raise Invalid(f"not a twin request: {error}") from error
