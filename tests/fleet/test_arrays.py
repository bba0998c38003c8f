"""Arrays as one parameter: PostgreSQL reads back what was given."""

from __future__ import annotations

import pytest

from motorcade.fleet.arrays import blobs, numbers, texts
from motorcade.fleet.registry import Fleet

pytestmark = pytest.mark.engines


async def test_postgresql_reads_what_was_given(fleet: Fleet) -> None:
    wanted = [
        ("bigint[]", numbers, [0, -1, 9_223_372_036_854_775_807]),
        ("text[]", texts, ["", "NULL", "a,b", '"', "\\", '\\"{}', "京A12345", " x ", "'"]),
        ("bytea[]", blobs, [b"", bytes(range(256))]),
    ]
    async with fleet._store.platform(pipeline=False) as connection:
        for kind, form, values in wanted:
            for some in (values, []):
                cursor = await connection.execute(f"SELECT %s::{kind}", (form(some),))  # type: ignore[operator]
                row = await cursor.fetchone()
                assert row is not None
                assert row[0] == some
