"""Rows survive the way to the reader."""

from __future__ import annotations

import pyarrow as pa

from motorcade.history.tail_request import pack_rows, subject, unpack_rows


def test_rows_there_and_back() -> None:
    table = pa.table({"a": [1, None], "w": pa.array(["x", "y"]).dictionary_encode()})
    back = unpack_rows(pack_rows(table))
    assert back is not None
    assert back.equals(table)


def test_no_rows_are_no_bytes() -> None:
    assert pack_rows(pa.table({"a": pa.array([], pa.int64())})) == b""
    assert unpack_rows(b"") is None


def test_a_partition_has_its_subject() -> None:
    assert subject(3) == "history.tail.3"
