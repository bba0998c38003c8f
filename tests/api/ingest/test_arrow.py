"""Heads of Arrow streams, read before Arrow is let at them."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.api.ingest.arrow import refuse_compressed
from motorcade.errors import Invalid


def stream(compression: str | None = None, rows: int = 200) -> bytes:
    table = pa.table(
        {
            "a": range(rows),
            "b": pa.array(["some word"] * rows).dictionary_encode(),
            "c": ["x"] * rows,
        }
    )
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as out:
        out.write_table(table, max_chunksize=50)
    return sink.getvalue()


def test_a_plain_stream_passes() -> None:
    refuse_compressed(stream())
    refuse_compressed(stream()[:-8])
    refuse_compressed(b"")


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_compressed_stream_does_not(compression: str) -> None:
    with pytest.raises(Invalid, match="Compressed"):
        refuse_compressed(stream(compression))


@pytest.mark.parametrize("data", [b"x", b"ARROW1\0\0", b"\xff" * 4, b"\xff" * 40])
def test_what_is_no_stream_is_told(data: bytes) -> None:
    with pytest.raises(Invalid):
        refuse_compressed(data)


@given(st.data())
def test_broken_heads_are_refused_or_passed_but_never_break(data: st.DataObject) -> None:
    broken = bytearray(stream("zstd", 3))
    for place in data.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=5)):
        broken[place] = data.draw(st.integers(0, 255))
    try:
        refuse_compressed(bytes(broken))
    except Invalid:
        return
