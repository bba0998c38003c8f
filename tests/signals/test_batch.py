"""``SignalBatch``: what goes in comes out, split, joined, serialised or damaged."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motorcade.errors import CorruptionError
from motorcade.signals.batch import META, SignalBatch, concat, schema_id

COLUMNS = {
    "Vehicle.Speed": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "Vehicle.TraveledDistance": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "Vehicle.OperatingState": (pa.uint8(), st.integers(0, 2)),
    "Vehicle.CurrentLocation.IsValid": (pa.bool_(), st.booleans()),
    "Vehicle.CurrentLocation.Latitude": (pa.float64(), st.floats(-90, 90)),
    "Vehicle.Connectivity.ICCID": (pa.string(), st.text(max_size=20)),
    "Vehicle.Alarm.OtherFaults": (
        pa.list_(pa.uint32()),
        st.lists(st.one_of(st.none(), st.integers(0, 2**32 - 1)), max_size=3),
    ),
}
TIMES = st.integers(0, 2**53)


@st.composite
def batches(draw: st.DrawFn, kind: str = "report") -> SignalBatch:
    n = draw(st.integers(0, 5))

    def many(values: st.SearchStrategy) -> list:  # type: ignore[type-arg]
        return draw(st.lists(values, min_size=n, max_size=n))

    meta = {
        "tenant": np.array(many(st.integers(0, 3)), np.uint32),
        "vehicle": np.array(many(st.integers(1, 2**64 - 1)), np.uint64),
        "event_time": np.array(many(TIMES), np.int64),
        "ingest_time": np.array(many(TIMES), np.int64),
        "record": np.array(many(st.integers(0, 2**64 - 1)), np.uint64),
        "reissued": np.array(many(st.booleans()), bool),
    }
    if draw(st.booleans()):
        meta["quality"] = pa.array(
            many(st.one_of(st.none(), st.lists(st.integers(4, 99), max_size=2))),
            META.field("quality").type,
        )
        meta["raw"] = pa.array(many(st.one_of(st.none(), st.binary(max_size=9))), pa.binary())
    paths = draw(st.lists(st.sampled_from(sorted(COLUMNS)), unique=True))
    signals = {
        path: pa.array(many(st.one_of(st.none(), COLUMNS[path][1])), COLUMNS[path][0])
        for path in paths
    }
    return SignalBatch.build(kind, meta, signals)


def _rows(batch: SignalBatch) -> list[dict[str, object]]:
    columns = {name: batch.column(name) for name in batch.data.schema.names}
    for name in ("event_time", "ingest_time"):
        columns[name] = columns[name].cast(pa.int64())
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [{k: v.as_py() for k, v in row.items() if v.is_valid} for row in rows]


def test_concat_of_empty_batches_keeps_the_columns() -> None:
    meta = {name: [] for name in META.names}
    one = SignalBatch.build("report", meta, {"Vehicle.Speed": pa.array([], pa.float32())})
    other = SignalBatch.build("report", meta, {"Vehicle.Alarm.Level": pa.array([], pa.uint8())})
    (joined,) = concat([one, other])
    assert joined.paths == ["Vehicle.Speed", "Vehicle.Alarm.Level"]
    assert len(joined) == 0


@given(batches())
def test_ipc_round_trip(batch: SignalBatch) -> None:
    back = SignalBatch.from_ipc(batch.kind, batch.data.schema, memoryview(batch.to_ipc()))
    assert back.kind == batch.kind
    assert back.data.equals(batch.data)
    assert back.data.schema.names[: len(META)] == META.names


@given(batches())
def test_by_tenant_loses_nothing_and_keeps_order(batch: SignalBatch) -> None:
    parts = list(batch.by_tenant())
    tenants = [tenant for tenant, _ in parts]
    assert tenants == sorted(set(batch.numpy("tenant").tolist()))
    joined = [row for _, part in parts for row in _rows(part)]
    assert joined == sorted(_rows(batch), key=lambda row: row["tenant"])
    for tenant, part in parts:
        assert set(part.numpy("tenant").tolist()) == {tenant}


@given(st.lists(st.one_of(batches(), batches(kind="login")), max_size=4))
def test_concat_unites_columns_by_kind(parts: list[SignalBatch]) -> None:
    joined = concat(parts)
    assert [batch.kind for batch in joined] == list(dict.fromkeys(part.kind for part in parts))
    for batch in joined:
        own = [part for part in parts if part.kind == batch.kind]
        assert _rows(batch) == [row for part in own for row in _rows(part)]
        assert batch.data.schema.names[: len(META)] == META.names
        assert set(batch.paths) == {path for part in own for path in part.paths}
        batch.data.validate(full=True)


@given(batches(), st.data())
def test_slice_and_take(batch: SignalBatch, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(batch)))
    assert _rows(batch.slice(start, 2)) == _rows(batch)[start : start + 2]
    order = np.array(data.draw(st.permutations(range(len(batch)))), np.int64)
    assert _rows(batch.take(order)) == [_rows(batch)[row] for row in order]


@given(batches(), batches())
def test_schema_id_tells_schemas_apart(one: SignalBatch, other: SignalBatch) -> None:
    same = one.data.schema.equals(other.data.schema)
    assert (schema_id(one.data.schema) == schema_id(other.data.schema)) == same


def test_schema_id_is_the_same_in_another_process() -> None:
    code = "from motorcade.signals.batch import META, schema_id; print(schema_id(META), end='')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout == schema_id(META)


@given(batches(), st.data())
@settings(max_examples=300)
def test_damaged_bytes_are_refused_or_harmless(batch: SignalBatch, data: st.DataObject) -> None:
    good = batch.to_ipc()
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    bad = bad[: data.draw(st.one_of(st.just(len(bad)), st.integers(0, len(bad))))]
    try:
        back = SignalBatch.from_ipc("report", batch.data.schema, bytes(bad))
    except CorruptionError:
        return
    # A changed value cannot be told from another value; reading it must stay inside its buffers.
    for column in back.data.columns:
        column.to_string()


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xff\xff\xff", b"not an Arrow message at all", bytes(64)]
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptionError):
        SignalBatch.from_ipc("report", META, data)


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([]),
        pa.schema(list(META)[1:]),
        pa.schema([pa.field("Vehicle.Speed", pa.float32()), *META]),
        pa.schema([pa.field("tenant", pa.int32(), nullable=False), *list(META)[1:]]),
    ],
)
def test_meta_columns_have_to_lead(schema: pa.Schema) -> None:
    data = pa.RecordBatch.from_pylist([], schema=schema).serialize()
    with pytest.raises(CorruptionError, match="meta columns"):
        SignalBatch.from_ipc("report", schema, memoryview(data))
