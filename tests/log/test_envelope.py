"""The bytes of a log message: what goes in comes out, and damage is noticed by its lengths."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import CorruptionError, Invalid
from motorcade.log.envelope import Segment, open_message, pack, read_segment, seal
from motorcade.signals.batch import SignalBatch, schema_id

MakeBatch = Callable[..., SignalBatch]


def _named(*batches: SignalBatch) -> list[tuple[SignalBatch, str]]:
    return [(batch, schema_id(batch.data.schema)) for batch in batches]


def test_several_batches_of_different_kinds_and_schemas_share_a_message(
    make_batch: MakeBatch,
) -> None:
    batches = [make_batch(3), make_batch(2, kind="login", columns=1), make_batch(1, columns=9)]
    (message,) = pack(_named(*batches))
    segments = open_message(message)
    assert [segment.kind for segment in segments] == ["report", "login", "report"]
    for segment, batch in zip(segments, batches, strict=True):
        assert segment.rows == len(batch)
        assert segment.schema == schema_id(batch.data.schema)
        assert read_segment(segment, batch.data.schema).data.equals(batch.data)


def test_a_batch_above_the_bound_is_split_by_rows_in_order(make_batch: MakeBatch) -> None:
    batch = make_batch(5000, columns=20)
    messages = pack(_named(batch), bytes_max=64 << 10)
    assert len(messages) > 1
    assert all(len(message) <= 64 << 10 for message in messages)
    vehicles = []
    for message in messages:
        for segment in open_message(message):
            vehicles += read_segment(segment, batch.data.schema).numpy("vehicle").tolist()
    assert vehicles == list(range(1, 5001))


def test_many_small_batches_fill_messages_up_to_the_bound(make_batch: MakeBatch) -> None:
    batches = [make_batch(10, first=index * 10 + 1) for index in range(300)]
    messages = pack(_named(*batches), bytes_max=64 << 10)
    assert all(len(message) <= 64 << 10 for message in messages)
    assert sum(len(open_message(message)) for message in messages) == 300
    assert len(messages) < 30


def test_empty_batches_make_no_message(make_batch: MakeBatch) -> None:
    assert pack(_named(make_batch(0))) == []
    assert pack([]) == []


def test_one_row_above_every_bound_is_refused(make_batch: MakeBatch) -> None:
    batch = make_batch(1, columns=300)
    (message,) = pack(_named(batch), bytes_max=1000)
    assert len(message) > 1000
    with pytest.raises(Invalid):
        pack(_named(batch), bytes_max=1000, row_bytes_max=2000)


def test_an_unknown_kind_is_refused(make_batch: MakeBatch) -> None:
    with pytest.raises(Invalid):
        seal([Segment("rumour", "0" * 16, 1, memoryview(b"x"))])


@pytest.mark.parametrize("keep", [0, 5, 11, 12, 40, -1])
def test_a_message_cut_short_is_corruption(make_batch: MakeBatch, keep: int) -> None:
    (message,) = pack(_named(make_batch(3)))
    with pytest.raises(CorruptionError):
        open_message(message[:keep])


def test_a_body_that_is_no_record_batch_is_corruption(make_batch: MakeBatch) -> None:
    batch = make_batch(3)
    segment = Segment("report", schema_id(batch.data.schema), 3, memoryview(b"\xff" * 256))
    with pytest.raises(CorruptionError):
        read_segment(segment, batch.data.schema)


def test_a_wrong_row_count_is_corruption(make_batch: MakeBatch) -> None:
    batch = make_batch(3)
    (message,) = pack(_named(batch))
    (segment,) = open_message(message)
    with pytest.raises(CorruptionError):
        read_segment(segment._replace(rows=4), batch.data.schema)


@given(st.binary(max_size=200), st.integers(0, 4))
def test_garbage_is_corruption_and_nothing_else(garbage: bytes, count: int) -> None:
    whole = struct.pack("<4sHHI", b"MCL1", count, 0, 12 + len(garbage)) + garbage
    for data in (garbage, whole):
        try:
            open_message(data)
        except CorruptionError:
            continue
