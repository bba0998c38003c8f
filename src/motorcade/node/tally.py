"""What became of a demo's reports: counted row by row in the history, and in the log behind it.

In: the tables and the log of a platform that stopped. Out: a ``Tally``. A worker that was killed
leaves records in the log; the next start stores them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from motorcade.errors import MotorcadeError
from motorcade.node.config import Settings
from motorcade.node.rooms import LogConfig
from motorcade.node.run_files import DataLock

if TYPE_CHECKING:
    import polars as pl

    from motorcade.log.log import Log, Record

__all__ = ["Tally", "tally"]

_TAKEN_MAX: Final = 256
"""Log records read at once."""


class Tally(NamedTuple):
    """Reports in the history, and reports that are in the log and not yet there; ``trouble``: why
    the log could not be read."""

    stored: int
    in_log: int = 0
    trouble: str = ""


async def tally(settings: Settings, since_us: int, expected: int) -> Tally:
    """Count the reports that came in since then. The log is looked into where the history has fewer
    than ``expected``; an embedded one is started for that. ``settings``: those before the start."""
    stored = await asyncio.to_thread(_stored, settings.data / "history", since_us)
    if stored >= expected:
        return Tally(stored)
    try:
        return Tally(stored, await _in_log(settings, since_us))
    except MotorcadeError as error:
        return Tally(stored, trouble=error.detail)


def _stored(history: Path, since_us: int) -> int:
    import polars as pl

    from motorcade.history.table import table_folder, tenants_in

    since = pl.lit(since_us).cast(pl.Datetime("us", "UTC"))
    wanted = (pl.col("kind") == "report") & (pl.col("ingest_time") >= since)
    counts: list[Any] = [
        pl.scan_delta(table_folder(history, tenant)).filter(wanted).select(pl.len()).collect()
        for tenant in tenants_in(history)
    ]
    return sum(int(count.item()) for count in counts)


async def _in_log(settings: Settings, since_us: int) -> int:
    from motorcade.log.log import Log
    from motorcade.node.engines import nats_child
    from motorcade.node.supervise import Supervisor

    supervisor, lock = Supervisor(lambda text: None), DataLock(settings.data)
    config = settings.get(LogConfig)
    try:
        if not config.url:
            lock.acquire("motorcade demo (counting)")
            child, changes = nats_child(settings.data)
            await supervisor.start([child])
            config = settings.but({"log": changes}).get(LogConfig)
        log = await Log.connect(config)
        try:
            waiting = [
                await _waiting(log, partition, settings.data / "history", since_us)
                for partition in range(log.partitions)
            ]
        finally:
            await log.close()
    finally:
        await supervisor.stop()
        lock.release()
    return sum(waiting)


async def _waiting(log: Log, partition: int, history: Path, since_us: int) -> int:
    """Reports of one partition whose tenant's table does not hold them yet."""
    import polars as pl

    bounds = await log.bounds(partition)
    frames: list[pl.DataFrame] = []
    at = bounds.last if not bounds.messages else bounds.first - 1
    async with log.consume(partition, at) as consumer:
        while at < bounds.last:
            records = await consumer.take(_TAKEN_MAX)
            frames += _reports(records, since_us)
            at = records[-1].sequence
    if not frames:
        return 0
    rows = pl.concat(frames)
    positions = await asyncio.to_thread(
        _positions, history, partition, rows["tenant"].unique().to_list()
    )
    # A car that was not answered sends again: one report, twice in the log.
    return (
        rows.filter(pl.col("sequence") > pl.col("tenant").replace_strict(positions))
        .unique(["vehicle", "event_time", "record"])
        .height
    )


def _reports(records: list[Record], since_us: int) -> Iterator[pl.DataFrame]:
    import polars as pl

    since = pl.lit(since_us).cast(pl.Datetime("us", "UTC"))
    names = ["tenant", "vehicle", "event_time", "record", "ingest_time"]
    for record in records:
        for batch in record.batches:
            if batch.kind == "report":
                frame = pl.DataFrame(pl.from_arrow(batch.data.select(names)))
                yield frame.filter(pl.col("ingest_time") >= since).with_columns(
                    pl.lit(record.sequence, pl.Int64).alias("sequence")
                )


def _positions(history: Path, partition: int, tenants: list[int]) -> dict[int, int]:
    from motorcade.history.table import TelemetryTable

    return {tenant: TelemetryTable(history, tenant).position(partition) for tenant in tenants}
