"""The hot tail: what it finds, how large it thinks it is, what it lets go."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from motorcade.history.files import Span
from motorcade.history.tail import Tail, select

START_US = 1_750_032_000_000_000
SPEED = "Vehicle.Speed"
EVERYTHING = Span(0, 1 << 62, 0, 1 << 62)


def filled(make_batch: Any, records: int = 200) -> Tail:
    tail = Tail(10)
    for n in range(records):
        batch = make_batch([1 + n % 5, 9], [START_US + n] * 2, tenant=[1, 2])
        tail.add(11 + n, [batch, make_batch([1], [START_US + n], kind="login", signals=[])])
    return tail


def test_rows_are_found_by_all_that_is_asked(make_batch: Any, catalogue: Any) -> None:
    tail = filled(make_batch)

    def found(tenant: int, span: Span, after: int) -> list[int]:
        rows = select(
            tail.chunks(), tail.kinds, tenant, span, after=after, paths=[SPEED], catalogue=catalogue
        )
        assert rows.num_rows == 0 or SPEED in rows.schema.names
        time = rows.column("event_time").cast(pa.int64()).to_pylist()
        return [one - START_US for one in time]

    assert found(1, Span(3, 3, 0, 1 << 62), 0) == list(range(2, 200, 5))
    assert found(1, Span(3, 3, START_US + 50, START_US + 60), 0) == [52, 57]
    assert found(1, Span(3, 3, 0, 1 << 62), 11 + 190) == [192, 197]
    assert found(2, Span(9, 9, 0, 1 << 62), 11 + 197) == [198, 199]
    assert found(2, Span(1, 5, 0, 1 << 62), 0) == []
    assert len(found(1, EVERYTHING, 0)) == 400


def test_bytes_and_rows_add_up(make_batch: Any) -> None:
    tail = filled(make_batch)
    assert tail.pending_rows == 600
    chunks = tail.pending()
    assert len(chunks) > 3
    assert tail.pending_bytes == sum(chunk.bytes for chunk in chunks)
    tail.committed(chunks[:2], 5.0)
    assert tail.bytes == sum(chunk.bytes for chunk in chunks)
    assert tail.floor == 10
    tail.shed(6.0, 1 << 40)
    assert tail.floor == chunks[1].last
    assert tail.bytes == tail.pending_bytes == sum(chunk.bytes for chunk in chunks[2:])


def test_pending_rows_are_never_shed(make_batch: Any) -> None:
    tail = filled(make_batch)
    tail.shed(1e9, 0)
    assert tail.pending_rows == 600
    assert tail.floor == 10
