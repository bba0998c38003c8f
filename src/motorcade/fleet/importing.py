"""Registers vehicles by the thousand or million: everything checked, then everything or nothing.

In: a CSV or a list of vehicles, and whose they are. Out: a report: the numbers given out, or what
is wrong by line. Rows stream into a temporary table by COPY; a counter row gives a dense range of
numbers and holds off every other registration until the transaction ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import polars as pl

from motorcade.clock import Clock
from motorcade.errors import CapacityError, NotFound
from motorcade.fleet.importing_names import named, taken
from motorcade.fleet.names import FORMS
from motorcade.fleet.rows import (
    COLUMNS,
    LABELS_SEPARATOR,
    NewVehicle,
    Problems,
    RowError,
    check,
    frame_of_rows,
    frames_of_csv,
)
from motorcade.fleet.settings import settings_from_json
from motorcade.fleet.store import Connection, Part, moment, one
from motorcade.limits import IMPORT_ERRORS_MAX

__all__ = ["ImportReport", "Importing", "Progress"]

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with (done, total, phase); phases are ``read`` (bytes), ``check`` and ``store`` (rows)."""

_STORE_ROWS: Final = 100_000


class ImportReport(msgspec.Struct, kw_only=True, frozen=True):
    """What became of an import. Where ``error_count`` is not 0, nothing was registered and
    ``errors`` lists the first by line. Else ``first`` to ``last`` are the vehicle numbers given
    out, in the order of the rows."""

    rows: int
    added: int
    first: int = 0
    last: int = 0
    error_count: int = 0
    errors: list[RowError] = []


class Importing(Part):
    """The registry's methods that add vehicles."""

    _clock: Clock

    async def import_vehicles(
        self,
        tenant: int,
        source: Path | bytes,
        progress: Progress | None = None,
        *,
        respect_claims: bool = True,
    ) -> ImportReport:
        """Register the vehicles of a CSV for ``tenant``.

        With ``respect_claims`` a VIN that begins with another tenant's ``auto_register_wmi`` is
        refused; only the platform's own acts may go without.
        ``Invalid`` where the file cannot be read as CSV at all, ``CapacityError`` where it has more
        than ``import_rows_max`` rows; whatever is wrong with single rows stands in the report.
        """
        total = await asyncio.to_thread(_size, source)
        problems = Problems()
        frames = frames_of_csv(source, problems)
        job = _Job(tenant, frames, problems, total, progress or _silent, respect_claims)
        return await self._add(job)

    async def add_vehicles(self, tenant: int, rows: Sequence[NewVehicle]) -> ImportReport:
        """Register vehicles given as structs, by the same rules; ``line`` is the place from 1."""
        frames = iter([(len(rows), await asyncio.to_thread(frame_of_rows, rows))])
        return await self._add(_Job(tenant, frames, Problems(), len(rows), _silent))

    async def _add(self, job: _Job) -> ImportReport:
        try:
            async with self._store.tenant(job.tenant, pipeline=False) as connection:
                rows, good = await self._load(connection, job)
                job.progress(0, rows, "check")
                last = 0
                if good and not job.problems.count:
                    last = await _numbers(connection, good)
                await _registered(connection, job)
                await taken(connection, job.tenant, job.kinds, job.problems)
                if job.respect_claims:
                    await _claimed(connection, job)
                if job.problems.count:
                    raise _Refused
                job.progress(rows, rows, "check")
                await _store(connection, job, last - good + 1, good, moment(self._clock))
        except _Refused:
            return ImportReport(
                rows=rows, added=0, error_count=job.problems.count, errors=job.problems.errors
            )
        return ImportReport(rows=rows, added=good, first=last - good + 1 if good else 0, last=last)

    async def _load(self, connection: Connection, job: _Job) -> tuple[int, int]:
        """Send the good rows to the temporary table; returns (rows read, rows sent)."""
        check_digit = await _prepare(connection, job.tenant)
        rows = good = 0
        seen: list[pl.DataFrame] = []
        names: dict[str, list[pl.DataFrame]] = {kind: [] for kind in FORMS}
        async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            while (block := await asyncio.to_thread(next, job.frames, None)) is not None:
                done, frame = block
                rows += frame.height
                if rows > self._store.config.import_rows_max:
                    raise CapacityError(
                        f"an import holds {self._store.config.import_rows_max} vehicles at"
                        " most; split the file"
                    )
                frame = await asyncio.to_thread(check, frame, job.problems, check_digit=check_digit)
                await copy.write(await asyncio.to_thread(_copy_text, frame, good))
                seen.append(frame.select("line", "vin"))
                for kind, values in names.items():
                    if (frame[kind] != "").any():
                        values.append(frame.filter(pl.col(kind) != "").select("line", "vin", kind))
                good += frame.height
                job.progress(done, job.total, "read")
        await asyncio.to_thread(_repeated, seen, job.problems, "vin", "VIN")
        for kind, values in names.items():
            await asyncio.to_thread(_repeated, values, job.problems, kind, kind)
            if values:
                job.kinds.append(kind)
        return rows + job.problems.unread, good


@dataclass(frozen=True, slots=True)
class _Job:
    """One import under way."""

    tenant: int
    frames: Iterator[tuple[int, pl.DataFrame]]
    problems: Problems
    total: int
    progress: Progress
    respect_claims: bool = True
    kinds: list[str] = field(default_factory=list)
    """Kinds of names that rows bring."""


class _Refused(Exception):
    """Ends the transaction of an import that has errors."""


_COPY: Final = f"COPY incoming (ordinal, line, {', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)"

_CREATE: Final = (
    'CREATE TEMPORARY TABLE incoming (ordinal bigint, line bigint, vin text COLLATE "C",'
    " model text, plate text, iccid text, labels text,"
    ' phone text COLLATE "C", imei text COLLATE "C", device text COLLATE "C") ON COMMIT DROP'
)

_INSERT: Final = (
    "INSERT INTO vehicles (number, tenant, vin, model, plate, iccid, labels, created)"
    " SELECT %s + ordinal, %s, vin, model, plate, iccid,"
    " array_remove(string_to_array(labels, %s), ''), %s"
    " FROM incoming WHERE ordinal >= %s AND ordinal < %s"
)


def _size(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _silent(done: int, total: int, phase: str) -> None:
    """Nobody watches."""


async def _prepare(connection: Connection, tenant: int) -> bool:
    """Make the temporary table; returns whether this tenant's VINs need a right check digit."""
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute(_CREATE)
    row = await one(connection, "SELECT settings FROM tenants WHERE number = %s", (tenant,))
    if row is None:
        raise NotFound(f"there is no tenant number {tenant}")
    return settings_from_json(row[0], stored=True).vin_check_digit


def _copy_text(frame: pl.DataFrame, first: int) -> bytes:
    """The rows as COPY takes them, numbered from ``first``."""
    numbered = frame.with_row_index("ordinal", offset=first)
    text = numbered.select("ordinal", "line", *COLUMNS).write_csv(
        include_header=False, quote_style="non_numeric"
    )
    return text.encode()


def _repeated(seen: Sequence[pl.DataFrame], problems: Problems, column: str, called: str) -> None:
    """Report every value of a column that stands in the input again, with the line it stood in
    first."""
    if not seen:
        return
    frame = pl.concat(seen)
    again = frame.filter(~frame[column].is_first_distinct())
    if again.height == 0:
        return
    first = frame.filter(frame[column].is_first_distinct()).select(
        column, pl.col("line").alias("first")
    )
    head = again.head(IMPORT_ERRORS_MAX).join(first, on=column, how="left", maintain_order="left")
    problems.add(
        again.height,
        [
            RowError(
                line=row["line"],
                code="duplicate",
                reason=f"this {called} stands in line {row['first']} already",
                vin=row["vin"],
            )
            for row in head.to_dicts()
        ],
    )


async def _numbers(connection: Connection, count: int) -> int:
    """Take the next ``count`` vehicle numbers; returns the last. Until this transaction ends,
    nobody else registers a vehicle, so what is checked now still holds when it is stored."""
    row = await one(
        connection,
        "UPDATE counters SET value = value + %s WHERE name = 'vehicle' RETURNING value",
        (count,),
    )
    return int(row[0]) if row else 0


async def _registered(connection: Connection, job: _Job) -> None:
    """Report every VIN that is registered already, for whomever, without saying for whom."""
    await connection.execute("ANALYZE incoming")
    await connection.execute("SELECT set_config('motorcade.platform', 'on', true)")
    cursor = await connection.execute(
        "SELECT i.line, i.vin, v.tenant = %s, count(*) OVER ()"
        " FROM incoming i JOIN vehicles v USING (vin) ORDER BY i.line LIMIT %s",
        (job.tenant, IMPORT_ERRORS_MAX),
    )
    found = await cursor.fetchall()
    await connection.execute("SELECT set_config('motorcade.platform', '', true)")
    own, other = "this vehicle is registered already", "this VIN is not available"
    job.problems.add(
        found[0][3] if found else 0,
        [
            RowError(line=line, code="registered", reason=own if ours else other, vin=vin)
            for line, vin, ours, _ in found
        ],
    )


async def _claimed(connection: Connection, job: _Job) -> None:
    """Report every VIN that begins with another tenant's registered prefix: a tenant must not
    take the cars another is about to see at their first login."""
    await connection.execute("SELECT set_config('motorcade.platform', 'on', true)")
    cursor = await connection.execute(
        "SELECT DISTINCT length(prefix) FROM wmi_claims WHERE tenant <> %s", (job.tenant,)
    )
    # One hash join per length; a join by starts_with would compare every row with every prefix.
    for (length,) in await cursor.fetchall():
        found = await (
            await connection.execute(
                "SELECT i.line, i.vin, count(*) OVER () FROM incoming i JOIN wmi_claims c"
                " ON c.prefix = left(i.vin, %s) AND length(c.prefix) = %s"
                " WHERE c.tenant <> %s ORDER BY i.line LIMIT %s",
                (length, length, job.tenant, IMPORT_ERRORS_MAX),
            )
        ).fetchall()
        reason = "this VIN is not available"
        job.problems.add(
            found[0][2] if found else 0,
            [RowError(line=line, code="claimed", reason=reason, vin=vin) for line, vin, _ in found],
        )
    await connection.execute("SELECT set_config('motorcade.platform', '', true)")


async def _store(
    connection: Connection, job: _Job, first: int, count: int, created: datetime
) -> None:
    """Make vehicles of the rows, numbered from ``first``."""
    for start in range(0, count, _STORE_ROWS):
        end = min(count, start + _STORE_ROWS)
        values = (first, job.tenant, LABELS_SEPARATOR, created, start, end)
        await connection.execute(_INSERT, values)
        await named(connection, job.kinds, first, start, end)
        job.progress(end, count, "store")
