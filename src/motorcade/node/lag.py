"""How far the workers are behind the log: asked of the workers themselves, for people who watch.

In: the figures of every worker (``motorcade_worker_pending``, ``_lag_s``, ``_behind``). Out: a
``Lag`` a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple

import msgspec

from motorcade.clock import SystemClock
from motorcade.errors import MotorcadeError
from motorcade.log.log import Config, Log
from motorcade.tasks import ended

__all__ = ["Lag", "LagWatch", "ask", "asked", "read", "watched"]

_TIMEOUT_S: Final = 1.0
_EVERY_S: Final = 2.0
_SAMPLE: Final = re.compile(
    r'^motorcade_worker_(pending|lag_s|behind|stopped)\{partition="(\d+)"\} (\S+)$', re.MULTILINE
)


class Lag(NamedTuple):
    """Of one worker: seconds its state is behind the log, records that wait there, and whether a
    partition of it stopped because it is damaged."""

    seconds: float
    records: int
    stopped: bool = False

    def __str__(self) -> str:
        if self.stopped:
            return "a partition stopped (see its log)"
        if not self.records and not self.seconds:
            return "none"
        return f"{self.seconds:.1f} s, {self.records:,} records"


def read(figures: str) -> Lag | None:
    """The lag a worker's figures tell: that of its slowest partition; None where they tell none."""
    partitions: dict[str, dict[str, float]] = {}
    for name, partition, value in _SAMPLE.findall(figures):
        partitions.setdefault(partition, {})[name] = float(value)
    if not partitions:
        return None
    late = [one for one in partitions.values() if one.get("pending") or one.get("behind")]
    return Lag(
        # Of a partition that has everything, ``lag_s`` is that of its last record, long ago.
        max((one.get("lag_s", 0.0) for one in late), default=0.0),
        int(sum(one.get("pending", 0.0) for one in late)),
        any(one.get("stopped") for one in partitions.values()),
    )


async def ask(log: Log, workers: int) -> dict[str, Lag]:
    """The lag by process name, of every worker that answers within a second."""

    async def one(index: int) -> tuple[str, Lag | None]:
        try:
            figures = (await log.request(f"metrics.worker.{index}", b"", _TIMEOUT_S)).decode()
        except MotorcadeError:
            return "", None
        return f"worker-{index}", read(figures)

    answers = await asyncio.gather(*map(one, range(workers)))
    return {name: lag for name, lag in answers if lag is not None}


async def asked(config: Config, workers: int) -> Mapping[str, Lag]:
    """``ask`` over a connection of its own; empty where the log is away."""
    try:
        log = await Log.connect(msgspec.structs.replace(config, name="lag"), SystemClock())
    except MotorcadeError:
        return {}
    try:
        return await ask(log, workers)
    finally:
        await log.close()


class LagWatch:
    """The largest lag of all workers as last asked."""

    def __init__(self) -> None:
        self.seconds = 0.0


@contextlib.asynccontextmanager
async def watched(config: Config, workers: int) -> AsyncIterator[LagWatch]:
    """Ask every two seconds as long as this lasts; ``DependencyError`` where the log is away at
    first, later it is asked again."""
    watch = LagWatch()

    async def look(log: Log) -> None:
        while True:
            lags = await ask(log, workers)
            watch.seconds = max((lag.seconds for lag in lags.values()), default=0.0)
            await asyncio.sleep(_EVERY_S)

    log = await Log.connect(msgspec.structs.replace(config, name="lag"), SystemClock())
    looking = asyncio.create_task(look(log))
    try:
        yield watch
    finally:
        await ended(looking)
        await log.close()
