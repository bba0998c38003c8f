"""Names that rows of an import bring: that they are free, and then whose they are.

In: the temporary table ``incoming`` of an import's transaction. Out: problems by line, and rows of
``identities``.
"""

from __future__ import annotations

from collections.abc import Sequence

from motorcade.fleet.names import FORMS
from motorcade.fleet.rows import Problems, RowError
from motorcade.fleet.store import Connection, widened
from motorcade.limits import IMPORT_ERRORS_MAX

__all__ = ["named", "taken"]


async def taken(
    connection: Connection, tenant: int, kinds: Sequence[str], problems: Problems
) -> None:
    """Report every name that some vehicle has already, without saying whose another's is."""
    for kind in FORMS:
        if kind not in kinds:
            continue
        async with widened(connection):
            cursor = await connection.execute(
                "SELECT i.line, i.vin, n.tenant = %s, count(*) OVER ()"
                f" FROM incoming i JOIN identities n ON n.kind = %s AND n.value = i.{kind}"
                " ORDER BY i.line LIMIT %s".encode(),
                (tenant, kind, IMPORT_ERRORS_MAX),
            )
            found = await cursor.fetchall()
        own, other = f"this {kind} is another vehicle's", f"this {kind} is not available"
        problems.add(
            found[0][3] if found else 0,
            [
                RowError(line=line, code="taken", reason=own if ours else other, vin=vin)
                for line, vin, ours, _ in found
            ],
        )


async def named(
    connection: Connection, kinds: Sequence[str], first: int, start: int, end: int
) -> None:
    """Give the vehicles of rows ``start`` to ``end``, numbered from ``first``, their names."""
    for kind in FORMS:
        if kind in kinds:
            await connection.execute(
                "INSERT INTO identities (kind, value, vehicle, tenant, created)"
                f" SELECT %s, i.{kind}, v.number, v.tenant, v.created FROM incoming i"
                " JOIN vehicles v ON v.number = %s + i.ordinal"
                f" WHERE i.ordinal >= %s AND i.ordinal < %s AND i.{kind} <> ''".encode(),
                (kind, first, start, end),
            )
