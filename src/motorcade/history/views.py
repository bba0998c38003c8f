"""What a reader sees of a tenant: a version of its table and the hot tail that begins where it
ends.

A version is kept for ``snapshot_age_max_s``; the tail's grace time is longer, so that rows
committed in the meantime are still answered from the tail. A worker that has let them go says
``stale``: the table is then loaded anew. A worker that does not answer, or has not yet taken what
the log holds, makes the view partial, never wrong."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from motorcade.clock import Clock
from motorcade.errors import CapacityError, DependencyError
from motorcade.history.config import Config
from motorcade.history.files import Span
from motorcade.history.rows import join
from motorcade.history.table import Snapshot, TelemetryTable
from motorcade.history.tail_request import TailAnswer, TailRequest, unpack_rows
from motorcade.history.threads import to_its_end
from motorcade.limits import HISTORY_BEHIND_WAIT_S, HISTORY_RELOADS_MAX

__all__ = ["TailCall", "View", "Views"]

_POLL_S: Final = 0.05

TailCall = Callable[[int, bytes], Awaitable[bytes]]
"""Asks the worker of a partition (subject ``history.tail.<partition>``) and gives its answer."""


@dataclass(frozen=True, slots=True)
class View:
    """A table version (None: no table yet) and the rows after it (stored types; None: no rows)."""

    snapshot: Snapshot | None
    tail: pa.Table | None
    partial: bool


class _StaleError(Exception):
    """The tail begins after the table's version ends."""


class _Held:
    __slots__ = ("loaded_s", "lock", "snapshot", "table")

    def __init__(self, table: TelemetryTable) -> None:
        self.table = table
        self.lock = asyncio.Lock()
        self.snapshot: Snapshot | None = None
        self.loaded_s = float("-inf")


class Views:
    """Table versions of the tenants asked for most recently, at most ``tables_open_max``."""

    def __init__(
        self,
        directory: Path,
        partitions: int,
        tail: TailCall,
        clock: Clock,
        *,
        config: Config,
        executor: Executor,
    ) -> None:
        self._directory = directory
        self._partitions = partitions
        self._tail = tail
        self._clock = clock
        self._config = config
        self._executor = executor
        self._held: OrderedDict[int, _Held] = OrderedDict()

    async def view(self, tenant: int, span: Span, paths: Sequence[str] | None) -> View:
        """Everything of a tenant within ``span``: never a gap, possibly doubles."""
        if span.first == span.last:
            partitions = [span.first % self._partitions]
        else:
            partitions = list(range(self._partitions))
        fresh_after_s = self._clock.monotonic_s() - self._config.snapshot_age_max_s
        snapshot, patience = None, _Patience()
        for _ in range(HISTORY_RELOADS_MAX):
            snapshot = await self._snapshot(tenant, fresh_after_s)
            try:
                found: list[pa.Table] = []
                for partition in partitions:
                    request = _request(tenant, span, paths, snapshot, partition)
                    found += await self._ask(partition, request, patience)
            except _StaleError:
                fresh_after_s = self._clock.monotonic_s()
            except (DependencyError, CapacityError, TimeoutError):
                return View(snapshot, None, True)
            else:
                return View(snapshot, join(found) if found else None, patience.over)
        return View(snapshot, None, True)

    async def snapshot(self, tenant: int) -> Snapshot | None:
        """A version of the table no older than ``snapshot_age_max_s``; None: no table yet."""
        return await self._snapshot(
            tenant, self._clock.monotonic_s() - self._config.snapshot_age_max_s
        )

    async def _snapshot(self, tenant: int, fresh_after_s: float) -> Snapshot | None:
        held = self._held.get(tenant)
        if held is None:
            held = self._held[tenant] = _Held(TelemetryTable(self._directory, tenant))
            if len(self._held) > self._config.tables_open_max:
                self._held.popitem(last=False)
        self._held.move_to_end(tenant)
        async with held.lock:
            if held.snapshot is None or held.loaded_s <= fresh_after_s:
                loaded_s = self._clock.monotonic_s()
                loop = asyncio.get_running_loop()
                held.snapshot = await to_its_end(
                    loop.run_in_executor(self._executor, held.table.snapshot, self._partitions)
                )
                held.loaded_s = loaded_s
            return held.snapshot

    async def _ask(
        self, partition: int, request: TailRequest, patience: _Patience
    ) -> list[pa.Table]:
        """The rows a worker holds; one that is behind is waited for while there is patience."""
        while True:
            async with asyncio.timeout(self._config.tail_timeout_s):
                data = await self._tail(partition, msgspec.msgpack.encode(request))
            try:
                answer = msgspec.msgpack.decode(data, type=TailAnswer)
            except msgspec.MsgspecError as error:
                raise DependencyError(f"partition {partition} gave no tail answer") from error
            # A worker that was killed between commit and checkpoint begins before the table's end.
            behind = answer.behind or answer.through < request.after
            if not behind or not await patience.wait():
                break
        if answer.state == "stale":
            raise _StaleError
        if answer.state == "large":
            halves = _halves(request)
            return [
                table for half in halves for table in await self._ask(partition, half, patience)
            ]
        rows = unpack_rows(answer.rows)
        return [] if rows is None else [rows]


class _Patience:
    """How long one view waits for workers that are behind, all of them together."""

    __slots__ = ("_left", "over")

    def __init__(self) -> None:
        self._left = round(HISTORY_BEHIND_WAIT_S / _POLL_S)
        self.over = False
        """Whether a worker was still behind when it ended: rows may be missing."""

    async def wait(self) -> bool:
        """Wait a moment; false, and nothing waited, once the patience is over."""
        if self._left <= 0:
            self.over = True
            return False
        self._left -= 1
        await asyncio.sleep(_POLL_S)
        return True


def _request(
    tenant: int, span: Span, paths: Sequence[str] | None, snapshot: Snapshot | None, partition: int
) -> TailRequest:
    return TailRequest(
        tenant=tenant,
        first=span.first,
        last=span.last,
        from_us=span.from_us,
        to_us=span.to_us,
        after=snapshot.positions[partition] if snapshot else 0,
        paths=None if paths is None else list(paths),
    )


def _halves(request: TailRequest) -> list[TailRequest]:
    """Two requests for half the vehicles each, or half the time where it is one vehicle."""
    replace = msgspec.structs.replace
    if request.first < request.last:
        middle = (request.first + request.last) // 2
        return [replace(request, last=middle), replace(request, first=middle + 1)]
    middle = (request.from_us + request.to_us) // 2
    if middle == request.from_us:
        raise CapacityError("one moment of one vehicle is larger than an answer may be")
    return [replace(request, to_us=middle), replace(request, from_us=middle)]
