"""Bodies to rows: JSON lines, a JSON list, CSV with a header, an Arrow IPC stream.

Every format says the same things: ``vin``, ``ts``, perhaps ``reissued``, and signals by path. A row
is kept whole or not at all, so that what was sent can be compared with what is stored.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from motorcade.api.ingest.arrow import refuse_compressed
from motorcade.errors import Invalid
from motorcade.limits import API_INGEST_CHUNK_ROWS, API_INGEST_COLUMNS_MAX, API_INGEST_ROWS_MAX
from motorcade.signals.catalogue import Catalogue
from motorcade.signals.objects import Columns, columns_of, timestamps
from motorcade.signals.tables import (
    columns_of_table,
    columns_of_text,
    plain,
    times_of,
    times_of_text,
)

__all__ = ["ARROW", "FORMATS", "Rows", "Wrong", "read"]

ARROW: Final = "application/vnd.apache.arrow.stream"
"""Media type of an Arrow IPC stream."""

_NAMES: Final = ("vin", "ts", "reissued")
_NO_VIN: Final = "The row names no vehicle."
_NO_TIME: Final = "The row has no ts: when was it?"
_decode: Final = msgspec.json.Decoder().decode
_raws: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Wrong(NamedTuple):
    """A row that cannot be stored. ``column`` is empty where no single one is at fault."""

    line: int
    vin: str
    code: str
    reason: str
    column: str = ""


@dataclass(slots=True)
class Rows:
    """``n`` rows as columns. ``vins``: text, empty where there is none; ``times`` µs UTC; ``lines``
    where each stands in the body; ``faults``: by row, the first thing that is wrong; ``lost``:
    lines that are no rows at all."""

    vins: list[str]
    times: NDArray[np.int64]
    reissued: NDArray[np.bool_]
    lines: NDArray[np.int64]
    signals: Mapping[str, pa.Array]
    faults: dict[int, Wrong] = field(default_factory=dict)
    lost: list[Wrong] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.vins)


def read(kind: str, body: bytes, catalogue: Catalogue) -> list[Rows]:
    """The rows of a body of media type ``kind``. ``Invalid`` where it is none as a whole."""
    reader = FORMATS.get(kind)
    if reader is None:
        raise Invalid(f"Send one of {', '.join(FORMATS)}; not {kind or 'a body without a type'}.")
    found = list(reader(body, catalogue))
    if not any(len(rows) or rows.lost for rows in found):
        raise Invalid("The body holds no rows.")
    return found


def _json_lines(body: bytes, catalogue: Catalogue) -> Iterator[Rows]:
    # Blank lines are no rows, but a body of nothing else is no body either.
    _bound(body.count(b"\n") // 2)
    numbered = enumerate(io.BytesIO(body), 1)
    pieces = [(line, piece) for line, piece in numbered if not piece.isspace()]
    _bound(len(pieces))
    return _of_pieces(pieces, catalogue)


def _json_list(body: bytes, catalogue: Catalogue) -> Iterator[Rows]:
    try:
        pieces = _raws.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"The body is no JSON list of objects: {error}") from error
    _bound(len(pieces))
    return _of_pieces(enumerate(pieces, 1), catalogue)


def _of_pieces(pieces: Iterable[tuple[int, Any]], catalogue: Catalogue) -> Iterator[Rows]:
    """Rows of JSON texts, some thousand objects at a time."""
    rest = iter(pieces)
    while chunk := list(islice(rest, API_INGEST_CHUNK_ROWS)):
        objects, lines, lost = [], [], []
        for line, piece in chunk:
            try:
                one = _decode(piece)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                lost.append(Wrong(line, "", "json", f"The line is no JSON: {error}"))
                continue
            if type(one) is not dict or type(one.get("signals", one)) is not dict:
                reason = "A row is an object of paths and values."
                lost.append(Wrong(line, "", "json", reason))
                continue
            objects.append(one)
            lines.append(line)
        yield _of_objects(objects, lines, lost, catalogue)


def _of_objects(
    objects: list[dict[str, Any]], lines: list[int], lost: list[Wrong], catalogue: Catalogue
) -> Rows:
    vins = [one.pop("vin", None) for one in objects]
    times, late = timestamps([one.pop("ts", None) for one in objects])
    reissued = np.array([one.pop("reissued", False) is True for one in objects], bool)
    columns = columns_of(catalogue, [one.get("signals", one) for one in objects])
    return _rows(vins, times, late, reissued=reissued, lines=lines, columns=columns, lost=lost)


def _csv(body: bytes, catalogue: Catalogue) -> Iterator[Rows]:
    _bound(body.count(b"\n") - 1)
    _text(body)
    names = _header(body)
    skipped: list[tuple[int, str]] = []

    def skip(row: pacsv.InvalidRow) -> str:
        reason = f"The row has {row.actual_columns} cells; the header has {row.expected_columns}."
        skipped.append((row.number or 0, reason))
        return "skip"

    try:
        table = pacsv.read_csv(
            io.BytesIO(body),
            pacsv.ReadOptions(use_threads=False, block_size=1 << 24),
            pacsv.ParseOptions(invalid_row_handler=skip, newlines_in_values=True),
            pacsv.ConvertOptions(
                default_column_type=pa.string(), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowException as error:
        raise Invalid(f"The body is no CSV: {error}") from error
    _bound(len(table) + len(skipped))
    lost = [Wrong(line, "", "csv", reason) for line, reason in skipped]
    lines = np.arange(2, len(table) + len(skipped) + 2)
    lines = lines[~np.isin(lines, [line for line, _ in skipped])]
    cells = {name: _whole(table.column(place)) for place, name in enumerate(names)}
    yield _of_columns(
        cells, lines, lost, columns_of_text(catalogue, _signals(cells)), times_of_text
    )


def _text(body: bytes) -> None:
    """Raise ``Invalid`` where the body is no UTF-8; looks at it without a copy."""
    ends = pa.py_buffer(np.array([0, len(body)], np.int64))
    whole = pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(body)])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid as error:
        raise Invalid("The body is no CSV in UTF-8.") from error


def _header(body: bytes) -> list[str]:
    first = body[: 1 << 20].removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    try:
        names = next(csv.reader([first.decode().rstrip("\r")]), [])
    except csv.Error as error:
        raise Invalid(f"The header line cannot be read: {error}") from error
    _named(names)
    return names


def _arrow(body: bytes, catalogue: Catalogue) -> Iterator[Rows]:
    refuse_compressed(body)
    batches, rows = [], 0
    try:
        with pa.ipc.open_stream(body) as stream:
            _named(stream.schema.names)
            for batch in stream:
                batch.validate(full=True)
                rows += len(batch)
                _bound(rows)
                batches.append(batch)
        table = pa.Table.from_batches(batches, stream.schema)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise Invalid(f"The body is no Arrow IPC stream: {error}") from error
    if not rows:
        return
    cells = {name: plain(name, _whole(table.column(name))) for name in table.schema.names}
    columns = columns_of_table(catalogue, _signals(cells))
    yield _of_columns(cells, np.arange(1, rows + 1), [], columns, times_of)


def _of_columns(
    cells: Mapping[str, pa.Array],
    lines: NDArray[np.int64],
    lost: list[Wrong],
    columns: Columns,
    times_in: Callable[[pa.Array], tuple[NDArray[np.int64], dict[int, str]]],
) -> Rows:
    times, late = times_in(cells["ts"])
    again = cells.get("reissued")
    if again is None:
        reissued = np.zeros(len(lines), bool)
    else:
        reissued = np.array([str(one).lower() == "true" for one in again.to_pylist()], bool)
    vins = cells["vin"].to_pylist()
    return _rows(vins, times, late, reissued=reissued, lines=lines, columns=columns, lost=lost)


def _rows(
    vins: Sequence[Any],
    times: NDArray[np.int64],
    late: Mapping[int, str],
    *,
    reissued: NDArray[np.bool_],
    lines: Sequence[int] | NDArray[np.int64],
    columns: Columns,
    lost: list[Wrong],
) -> Rows:
    names = [vin.strip().upper() if type(vin) is str else "" for vin in vins]
    place = np.asarray(lines, np.int64)
    faults: dict[int, Wrong] = {}
    for row, some in columns.faults.items():
        path, code, reason = some[0]
        faults[row] = Wrong(int(place[row]), names[row], code, reason, path)
    for row, reason in late.items():
        said = _NO_TIME if reason.startswith("None ") else reason
        faults[row] = Wrong(int(place[row]), names[row], "time", said, "ts")
    for row, name in enumerate(names):
        if not name:
            faults[row] = Wrong(int(place[row]), "", "vin", _NO_VIN, "vin")
    return Rows(names, times, reissued, place, columns.signals, faults, lost)


def _signals(cells: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    return {name: column for name, column in cells.items() if name not in _NAMES}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    made = column.combine_chunks()
    return made if isinstance(made, pa.Array) else pa.concat_arrays(made.chunks)


def _named(names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise Invalid("A column is named twice.")
    if len(names) > API_INGEST_COLUMNS_MAX:
        raise Invalid(f"There are {len(names)} columns; {API_INGEST_COLUMNS_MAX} are allowed.")
    for name in _NAMES[:2]:
        if name not in names:
            raise Invalid(f"There is no column {name!r}.")


def _bound(rows: int) -> None:
    if rows > API_INGEST_ROWS_MAX:
        most = f"{API_INGEST_ROWS_MAX:,}"
        raise Invalid(f"There are more than {most} rows: send several requests.")


FORMATS: Final[Mapping[str, Callable[[bytes, Catalogue], Iterator[Rows]]]] = {
    "application/x-ndjson": _json_lines,
    "application/jsonl": _json_lines,
    "application/json": _json_list,
    "text/csv": _csv,
    ARROW: _arrow,
}
"""Media types and their readers."""
