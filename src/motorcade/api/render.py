"""Tables as answers: JSON rows, CSV and Arrow streams, chosen by the ``Accept`` header.

In: Arrow tables whose first columns name the row (``vin``, ``event_time`` …) and whose other
columns are signals by path. Out: bytes, a piece at a time, so that a large answer is never held
twice; what is large is rendered in a thread, between whose pieces the event loop goes on."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
from litestar import Response
from litestar.response import Stream

from motorcade import limits
from motorcade.api.problems import MEDIA_TYPE as PROBLEM
from motorcade.errors import CallerError
from motorcade.signals.text import plain_column

__all__ = ["ARROW", "CSV", "JSON", "NotAcceptable", "answer", "choose", "objects"]

JSON: Final = "application/json"
CSV: Final = "text/csv"
ARROW: Final = "application/vnd.apache.arrow.stream"
_ROWS_PER_PIECE: Final = 8_192
_encode = msgspec.json.Encoder().encode


class NotAcceptable(CallerError):
    """The caller's ``Accept`` header names nothing this address can answer."""

    status = 406
    title = "No such representation"


def choose(accept: str | None, offered: Sequence[str] = (JSON, CSV, ARROW)) -> str:
    """The representation of ``offered`` that the ``Accept`` header prefers (RFC 9110 section
    12.5.1).

    No header, ``*/*`` and ``application/*`` mean the first. Raises ``NotAcceptable``.
    """
    if not accept:
        return offered[0]
    ranked = sorted(_ranges(accept), key=lambda item: -item[1])
    for wanted, weight in ranked:
        if weight <= 0:
            continue
        for kind in offered:
            if wanted in (kind, "*/*", kind.split("/", maxsplit=1)[0] + "/*", PROBLEM):
                return kind
    raise NotAcceptable(f"This address answers {', '.join(offered)}.")


def objects(table: pa.Table, named: Sequence[str]) -> list[dict[str, Any]]:
    """One object a row: the ``named`` columns, every other column under ``signals``; what is null
    is left out of both."""
    heads = {name: _head(name, table.column(name)) for name in named}
    paths = [name for name in table.column_names if name not in heads]
    columns = [plain_column(table.column(path)) for path in paths]
    rows = [
        {path: value for path, value in zip(paths, row, strict=True) if value is not None}
        for row in (zip(*columns, strict=True) if columns else [()] * table.num_rows)
    ]
    names = list(heads)
    return [
        {
            **{name: value for name, value in zip(names, head, strict=True) if value is not None},
            "signals": row,
        }
        for head, row in zip(zip(*heads.values(), strict=True), rows, strict=True)
    ]


async def answer(
    kind: str,
    table: pa.Table,
    *,
    named: Sequence[str],
    rows_key: str,
    members: dict[str, Any],
    next_cursor: str | None,
) -> Response[Any]:
    """``table`` as ``kind``; the next page's cursor is in the JSON body as ``next``, and in the
    header ``Next-Cursor`` for the other kinds."""
    headers = {"Vary": "Accept"}
    if next_cursor is not None:
        headers["Next-Cursor"] = next_cursor
    if kind == CSV:
        return Stream(_csv(table), media_type=CSV, headers=headers)
    if kind == ARROW:
        return Stream(_arrow(table), media_type=ARROW, headers=headers)
    around = _encode({**members, rows_key: [], "next": next_cursor})
    if table.num_rows * table.num_columns <= limits.API_INLINE_CELLS_MAX:
        body = _json(table, named, around)
    else:
        body = await asyncio.to_thread(_json, table, named, around)
    return Response(body, media_type=JSON, headers=headers)


def _json(table: pa.Table, named: Sequence[str], around: bytes) -> bytes:
    """``around`` with the rows in its one empty list: encoded in pieces, because the encoder lets
    nobody else run."""
    before, _, after = around.rpartition(b"[]")
    pieces = (_encode(objects(piece, named))[1:-1] for piece in _pieces(table))
    return b"".join((before, b"[", b",".join(pieces), b"]", after))


def _head(name: str, column: pa.ChunkedArray) -> list[Any]:
    """A named column as JSON shows it: ``quality`` by path, as a vehicle's state does."""
    if name != "quality":
        return plain_column(column)
    return [
        None if words is None else dict(word.rsplit(":", 1) for word in words)
        for words in column.to_pylist()
    ]


def _csv(table: pa.Table) -> Iterator[bytes]:
    flat = _flat(table)
    for number, batch in enumerate(_pieces(flat)):
        sink = io.BytesIO()
        options = pa_csv.WriteOptions(include_header=number == 0, quoting_style="needed")
        pa_csv.write_csv(batch, sink, options)
        yield sink.getvalue()


def _arrow(table: pa.Table) -> Iterator[bytes]:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=_ROWS_PER_PIECE):
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


def _pieces(table: pa.Table) -> Iterator[pa.Table]:
    if table.num_rows == 0:
        yield table
    for start in range(0, table.num_rows, _ROWS_PER_PIECE):
        yield table.slice(start, _ROWS_PER_PIECE)


def _flat(table: pa.Table) -> pa.Table:
    """The table with times and bytes (as hex) as text, and lists as JSON text, which is all CSV can
    hold."""
    columns = []
    for column in table.columns:
        if pa.types.is_timestamp(column.type) or pa.types.is_binary(column.type):
            columns.append(pa.array(plain_column(column), pa.string()))
        elif pa.types.is_dictionary(column.type):
            columns.append(column.cast(column.type.value_type))
        elif pa.types.is_nested(column.type):
            texts = [
                None if item is None else _encode(item).decode() for item in plain_column(column)
            ]
            columns.append(pa.array(texts, pa.string()))
        else:
            columns.append(column)
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        yield media.lower(), weight
