"""Bodies of every format give the same rows, and say which of their lines are none."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motorcade.api.ingest.bodies import ARROW, FORMATS, Rows, read
from motorcade.errors import Invalid
from motorcade.limits import API_INGEST_CHUNK_ROWS, API_INGEST_ROWS_MAX
from motorcade.signals.catalogue import load_catalogue

CATALOGUE = load_catalogue()
SPEED, STATE, CELLS = (
    "Vehicle.Speed",
    "Vehicle.OperatingState",
    "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages",
)
NOON_US = 1_767_268_800_000_000
READINGS: list[dict[str, Any]] = [
    {"vin": "lntest0000000001 ", "ts": "2026-01-01T12:00:00Z", SPEED: 54.5, STATE: "ON"},
    {"vin": "LNTEST0000000002", "ts": "2026-01-01T20:00:01+08:00", CELLS: [3.5, None]},
    {"vin": "LNTEST0000000001", "ts": "2026-01-01T12:00:02Z", SPEED: 0, "reissued": True},
]
LINES = b"\n".join(json.dumps(one).encode() for one in READINGS)
CSV = f"""vin,ts,reissued,{SPEED},{STATE},{CELLS}
lntest0000000001 ,2026-01-01T12:00:00Z,,54.5,ON,
LNTEST0000000002,2026-01-01T20:00:01+08:00,false,,,"[3.5,null]"
LNTEST0000000001,1767268802,TRUE,0,,
""".encode()


def arrow(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table)
    return sink.getvalue()


def table() -> pa.Table:
    return pa.table(
        {
            "vin": pa.array([one["vin"] for one in READINGS]).dictionary_encode(),
            "ts": pa.array([NOON_US, NOON_US + 1_000_000, NOON_US + 2_000_000], pa.timestamp("us")),
            "reissued": [False, None, True],
            SPEED: pa.array([54.5, None, 0.0], pa.float32()),
            STATE: pa.array(["ON", None, None]).dictionary_encode(),
            CELLS: pa.array([None, [3.5, None], None], pa.list_(pa.float64())),
        }
    )


def one_of(kind: str, body: bytes) -> Rows:
    (rows,) = read(kind, body, CATALOGUE)
    return rows


@pytest.mark.parametrize(
    ("kind", "body", "first"),
    [
        ("application/x-ndjson", LINES, 1),
        ("application/jsonl", b"\n\n" + LINES + b"\n  \n", 3),
        ("application/json", json.dumps(READINGS, indent=1).encode(), 1),
        ("text/csv", CSV, 2),
        ("text/csv", b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n"), 2),
        (ARROW, arrow(table()), 1),
    ],
)
def test_every_format_says_the_same(kind: str, body: bytes, first: int) -> None:
    rows = one_of(kind, body)
    assert rows.vins == ["LNTEST0000000001", "LNTEST0000000002", "LNTEST0000000001"]
    assert rows.times.tolist() == [NOON_US, NOON_US + 1_000_000, NOON_US + 2_000_000]
    assert rows.reissued.tolist() == [False, False, True]
    assert rows.lines.tolist() == [first, first + 1, first + 2]
    assert {path: column.to_pylist() for path, column in rows.signals.items()} == {
        SPEED: [54.5, None, 0.0],
        STATE: [0, None, None],
        CELLS: [None, [3.5, None], None],
    }
    assert not rows.faults
    assert not rows.lost


def test_signals_may_stand_apart() -> None:
    nested = {"vin": "A", "ts": NOON_US, "signals": {SPEED: 1}, "note": "ignored"}
    rows = one_of("application/json", json.dumps([nested]).encode())
    assert list(rows.signals) == [SPEED]
    assert not rows.faults


def test_wrong_lines_are_told_and_hold_nothing_up() -> None:
    good = json.dumps(READINGS[0]).encode()
    body = b"\n".join(
        [b"{", good, b"[1]", b'{"signals":3}', b"\xff", good, b'{"vin":"A","ts":1767268800}']
    )
    rows = one_of("application/x-ndjson", body)
    assert rows.lines.tolist() == [2, 6, 7]
    assert [(wrong.line, wrong.code) for wrong in rows.lost] == [
        (1, "json"), (3, "json"), (4, "json"), (5, "json"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        ({"ts": 1_767_268_800, SPEED: 1}, "vin", "vin"),
        ({"vin": 7, "ts": 1_767_268_800, SPEED: 1}, "vin", "vin"),
        ({"vin": "A", SPEED: 1}, "time", "ts"),
        ({"vin": "A", "ts": "yesterday", SPEED: 1}, "time", "ts"),
        ({"vin": "A", "ts": 5, SPEED: 1}, "time", "ts"),
        ({"vin": "A", "ts": 1_767_268_800, SPEED: "fast"}, "type", SPEED),
        ({"vin": "A", "ts": 1_767_268_800, SPEED: 1, STATE: "HOVERING"}, "word", STATE),
        (
            {"vin": "A", "ts": 1_767_268_800, "Vehicle.Speeed": 1},
            "unknown_signal",
            "Vehicle.Speeed",
        ),
        (
            {"vin": "A", "ts": 1_767_268_800, "Vehicle.CurrentLocation.Latitude": 91},
            "range",
            "Vehicle.CurrentLocation.Latitude",
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_told(row: dict[str, Any], code: str, column: str) -> None:
    rows = one_of("application/json", json.dumps([READINGS[0], row]).encode())
    ((place, wrong),) = rows.faults.items()
    assert (place, wrong.line, wrong.code, wrong.column) == (1, 2, code, column)
    names = ["vin", "ts", *(path for path in row if path.startswith("Vehicle"))]
    cells = ["" if row.get(name) is None else str(row[name]) for name in names]
    if row.get("vin") != 7:
        body = f"{','.join(names)}\n{','.join(cells)}\n".encode()
        ((place, wrong),) = one_of("text/csv", body).faults.items()
        assert (place, wrong.line, wrong.code, wrong.column) == (0, 2, code, column)


def test_rows_of_csv_with_other_cells_than_the_header() -> None:
    body = b"vin,ts,Vehicle.Speed\nA,1767268800,1\nA,1767268800\nA,1767268801,2,3\nA,1767268802,4\n"
    rows = one_of("text/csv", body)
    assert rows.lines.tolist() == [2, 5]
    assert [(wrong.line, wrong.code) for wrong in rows.lost] == [(3, "csv"), (4, "csv")]


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("application/json", b"", "no JSON list"),
        ("application/json", b"{}", "no JSON list"),
        ("application/json", b"[]", "no rows"),
        ("application/x-ndjson", b"\n \n", "no rows"),
        ("text/csv", b"", "no column 'vin'"),
        ("text/csv", b"vin,ts\n", "no rows"),
        ("text/csv", b"vin,Vehicle.Speed\nA,1\n", "no column 'ts'"),
        ("text/csv", b"vin,ts,ts\nA,1,1\n", "twice"),
        ("text/csv", b"vin,ts\n\xff,1\n", "no CSV"),
        ("text/csv", b"\xff,ts\n", "UTF-8"),
        (ARROW, b"", "no rows|no Arrow"),
        (ARROW, b"garbage", "no Arrow"),
        (ARROW, arrow(pa.table({"vin": ["A"]})), "no column 'ts'"),
        (ARROW, arrow(pa.table({"vin": [b"A"], "ts": [1]})), "column vin"),
        (ARROW, arrow(table(), compression="zstd"), "without compression"),
        (ARROW, arrow(table())[:-300], "no Arrow|ends too soon"),
        ("application/xml", b"<a/>", "Send one of"),
        ("", b"x", "without a type"),
    ],
)
def test_what_is_no_body_is_refused(kind: str, body: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        read(kind, body, CATALOGUE)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-ndjson", b"{}\n" * (API_INGEST_ROWS_MAX + 1)),
        ("application/x-ndjson", b"\n" * (2 * API_INGEST_ROWS_MAX + 2)),
        ("application/json", b"[" + b"1," * API_INGEST_ROWS_MAX + b"1]"),
        ("text/csv", b"vin,ts\n" + b"A,1\n" * (API_INGEST_ROWS_MAX + 1)),
        (ARROW, arrow(pa.table({"vin": ["A"] * (API_INGEST_ROWS_MAX + 1)}).append_column(
            "ts", pa.array([1] * (API_INGEST_ROWS_MAX + 1))))),
    ],
)  # fmt: skip
def test_too_many_rows_are_refused(kind: str, body: bytes) -> None:
    with pytest.raises(Invalid, match="more than 100,000 rows"):
        read(kind, body, CATALOGUE)


def test_many_rows_come_in_pieces() -> None:
    body = (json.dumps(READINGS[0]) + "\n").encode() * (API_INGEST_CHUNK_ROWS + 5)
    found = read("application/x-ndjson", body, CATALOGUE)
    assert [len(rows) for rows in found] == [API_INGEST_CHUNK_ROWS, 5]
    assert found[1].lines[-1] == API_INGEST_CHUNK_ROWS + 5


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=80), st.data())
def test_garbage_is_refused_and_never_breaks(kind: str, body: bytes, data: st.DataObject) -> None:
    whole = {ARROW: arrow(table()), "text/csv": CSV}.get(kind, LINES)
    broken = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        broken[place] = data.draw(st.integers(0, 255))
    for one in (body, bytes(broken), bytes(broken[: len(body) * 8])):
        with suppress(Invalid):
            read(kind, one, CATALOGUE)
