"""Registers vehicles by the thousand or million: everything checked, then everything or nothing.

In: a CSV or a list of vehicles, and whose they are. Out: a report: the numbers given out, or what is
wrong by line. Rows stream into a temporary table by COPY; a counter row gives a dense range of
numbers and holds off every other registration until the transaction ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import polars as pl

from motorcade.clock import Clock
from motorcade.errors import CapacityError
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
        self, tenant: int, source: Path | bytes, progress: Progress | None = None
    ) -> ImportReport:
        """Register the vehicles of a CSV for ``tenant``.

        ``Invalid`` where the file cannot be read as CSV at all, ``CapacityError`` where it has more
        than ``import_rows_max`` rows; whatever is wrong with single rows stands in the report.
        """
        total = len(source) if isinstance(source, bytes) else source.stat().st_size
        problems = Problems()
        frames = frames_of_csv(source, problems)
        return await self._add(tenant, frames, problems, total, progress or _silent)

    async def add_vehicles(self, tenant: int, rows: Sequence[NewVehicle]) -> ImportReport:
        """Register vehicles given as structs, by the same rules; ``line`` is the place from 1."""
        frames = iter([(len(rows), frame_of_rows(rows))])
        return await self._add(tenant, frames, Problems(), len(rows), _silent)

    async def _add(
        self,
        tenant: int,
        frames: Iterator[tuple[int, pl.DataFrame]],
        problems: Problems,
        total: int,
        progress: Progress,
    ) -> ImportReport:
        rows = added = last = 0
        try:
            async with self._store.tenant(tenant, pipeline=False) as connection:
                check_digit = await _prepare(connection, tenant)
                rows, good = await self._load(
                    connection, frames, problems, check_digit, total, progress
                )
                progress(0, rows, "check")
                if problems.count == 0 and good > 0:
                    last = await _numbers(connection, good)
                await _registered(connection, tenant, problems)
                if problems.count:
                    raise _Refused
                progress(rows, rows, "check")
                added = good
                created = moment(self._clock)
                for start in range(0, good, _STORE_ROWS):
                    end = min(good, start + _STORE_ROWS)
                    base = last - good + 1
                    await connection.execute(
                        _INSERT, (base, tenant, LABELS_SEPARATOR, created, start, end)
                    )
                    progress(end, good, "store")
        except _Refused:
            return ImportReport(
                rows=rows, added=0, error_count=problems.count, errors=problems.errors
            )
        first = last - added + 1 if added else 0
        return ImportReport(rows=rows, added=added, first=first, last=last)

    async def _load(
        self,
        connection: Connection,
        frames: Iterator[tuple[int, pl.DataFrame]],
        problems: Problems,
        check_digit: bool,
        total: int,
        progress: Progress,
    ) -> tuple[int, int]:
        """Send the good rows to the temporary table; returns (rows read, rows sent)."""
        rows = good = 0
        seen: list[pl.DataFrame] = []

        def next_block() -> tuple[int, int, pl.DataFrame] | None:
            found = next(frames, None)
            if found is None:
                return None
            done, frame = found
            return done, frame.height, check(frame, problems, check_digit=check_digit)

        async with connection.cursor() as cursor:
            async with cursor.copy(_COPY) as copy:
                while (block := await asyncio.to_thread(next_block)) is not None:
                    done, height, frame = block
                    rows += height
                    if rows > self._store.config.import_rows_max:
                        raise CapacityError(
                            f"an import holds {self._store.config.import_rows_max} vehicles at"
                            " most; split the file"
                        )
                    numbered = frame.with_row_index("ordinal", offset=good)
                    seen.append(frame.select("line", "vin"))
                    good += frame.height
                    await copy.write(await asyncio.to_thread(_copy_text, numbered))
                    progress(done, total, "read")
        await asyncio.to_thread(_repeated, seen, problems)
        return rows + _skipped(problems), good


class _Refused(Exception):
    """Ends the transaction of an import that has errors."""


_COPY: Final = "COPY incoming (ordinal, line, vin, model, plate, iccid, labels) FROM STDIN (FORMAT csv)"

_CREATE: Final = (
    "CREATE TEMPORARY TABLE incoming (ordinal bigint, line bigint, vin text COLLATE \"C\","
    " model text, plate text, iccid text, labels text) ON COMMIT DROP"
)

_INSERT: Final = (
    "INSERT INTO vehicles (number, tenant, vin, model, plate, iccid, labels, created)"
    " SELECT %s + ordinal, %s, vin, model, plate, iccid,"
    " CASE labels WHEN '' THEN '{}' ELSE string_to_array(labels, %s) END, %s"
    " FROM incoming WHERE ordinal >= %s AND ordinal < %s"
)


def _silent(done: int, total: int, phase: str) -> None:
    """Nobody watches."""


async def _prepare(connection: Connection, tenant: int) -> bool:
    """Make the temporary table; returns whether this tenant's VINs need a right check digit."""
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute(_CREATE)
    row = await one(connection, "SELECT settings FROM tenants WHERE number = %s", (tenant,))
    return settings_from_json(row[0] if row else {}).vin_check_digit


def _copy_text(frame: pl.DataFrame) -> bytes:
    text = frame.select("ordinal", "line", *COLUMNS).write_csv(
        include_header=False, quote_style="non_numeric"
    )
    return text.encode()


def _repeated(seen: Sequence[pl.DataFrame], problems: Problems) -> None:
    """Report every VIN that stands in the input again, with the line it stood in first."""
    if not seen:
        return
    frame = pl.concat(seen)
    again = frame.filter(~frame["vin"].is_first_distinct())
    if again.height == 0:
        return
    first = frame.filter(frame["vin"].is_first_distinct()).rename({"line": "first"})
    head = again.head(IMPORT_ERRORS_MAX).join(first, on="vin", how="left", maintain_order="left")
    problems.add(
        again.height,
        [
            RowError(
                line=row["line"],
                code="duplicate",
                reason=f"this VIN stands in line {row['first']} already",
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


async def _registered(connection: Connection, tenant: int, problems: Problems) -> None:
    """Report every VIN that is registered already, for whomever, without saying for whom."""
    await connection.execute("ANALYZE incoming")
    await connection.execute("SELECT set_config('motorcade.platform', 'on', true)")
    cursor = await connection.execute(
        "SELECT i.line, i.vin, v.tenant = %s, count(*) OVER ()"
        " FROM incoming i JOIN vehicles v USING (vin) ORDER BY i.line LIMIT %s",
        (tenant, IMPORT_ERRORS_MAX),
    )
    found = await cursor.fetchall()
    await connection.execute("SELECT set_config('motorcade.platform', '', true)")
    own, other = "this vehicle is registered already", "this VIN is not available"
    problems.add(
        found[0][3] if found else 0,
        [
            RowError(line=line, code="registered", reason=own if ours else other, vin=vin)
            for line, vin, ours, _ in found
        ],
    )


def _skipped(problems: Problems) -> int:
    """Rows that never became a row of a frame: those with too many columns."""
    return sum(1 for error in problems.errors if error.code == "columns")
