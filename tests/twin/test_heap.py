"""The heap: reuse in place, growth, owners, a full heap, recovery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motorcade.twin import heap as heap_module
from motorcade.twin.heap import UNIT_BYTES, Heap, block, blocks
from motorcade.twin.layout import Head, open_head


@pytest.fixture
def head(tmp_path: Path) -> Any:
    return open_head(tmp_path, 0, 1)


def write(heap: Heap, row: int, text: bytes, handle: int = 0, number: int = 5) -> int:
    handles = heap.write(
        number,
        rows=np.array([row]),
        handles=np.array([handle], np.uint32),
        items=np.frombuffer(text, np.uint8),
        first=np.array([0]),
        count=np.array([len(text)]),
    )
    return int(handles[0])


def test_reuses_in_place_and_doubles_when_it_must(tmp_path: Path, head: Any) -> None:
    heap = Heap(tmp_path / "heap", head)
    handle = write(heap, 3, b"abc")
    assert write(heap, 3, b"0123456789abcdef", handle) == handle
    assert write(heap, 3, b"", handle) == handle
    grown = write(heap, 3, b"x" * 17, handle)
    assert grown != handle
    assert write(heap, 3, b"x" * 32, grown) == grown
    assert block(heap._words, 5, 3, grown) == b"x" * 32
    end = int(head[Head.HEAP_END])
    for turn in range(200):
        grown = write(heap, 3, b"y" * (turn % 33), grown)
    assert int(head[Head.HEAP_END]) == end


def test_a_block_is_its_owners_alone(tmp_path: Path, head: Any) -> None:
    heap = Heap(tmp_path / "heap", head)
    handle = write(heap, 3, b"mine")
    assert block(heap._words, 5, 4, handle) is None
    assert block(heap._words, 6, 3, handle) is None
    assert block(heap._words, 5, 3, 1 << 30) is None
    other = write(heap, 4, b"theirs", handle)  # a handle a power cut left behind
    assert other != handle
    assert block(heap._words, 5, 3, handle) == b"mine"
    rows, handles = np.array([3, 4, 4, 9]), np.array([handle, other, handle, 1 << 31], np.uint32)
    payload, starts, gone = blocks(heap._words, 5, rows, handles)
    assert payload.tobytes() == b"minetheirs"
    assert starts.tolist() == [0, 4, 10, 10, 10]
    assert gone.tolist() == [False, False, True, True]


def test_many_rows_at_once_of_wider_items(tmp_path: Path, head: Any) -> None:
    heap = Heap(tmp_path / "heap", head)
    items = np.arange(10, dtype=np.float32)
    count = np.array([4, 0, 6])
    handles = heap.write(
        5,
        rows=np.array([1, 2, 3]),
        handles=np.zeros(3, np.uint32),
        items=items,
        first=np.array([0, 4, 4]),
        count=count,
    )
    payload, starts, gone = blocks(heap._words, 5, np.array([1, 2, 3]), handles)
    assert payload.view(np.float32).tolist() == items.tolist()
    assert starts.tolist() == [0, 16, 16, 40]
    assert not gone.any()


def test_grows_and_tells_readers(tmp_path: Path, head: Any) -> None:
    heap = Heap(tmp_path / "heap", head)
    first = write(heap, 1, b"kept")
    before = int(head[Head.GENERATION])
    for row in range(2, 40):
        write(heap, row, b"z" * 60_000)
    assert int(head[Head.GENERATION]) > before
    assert block(heap._words, 5, 1, first) == b"kept"
    assert (tmp_path / "heap").stat().st_size == int(head[Head.HEAP_UNITS]) * UNIT_BYTES


def test_a_full_heap_stores_nothing_more(
    tmp_path: Path, head: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heap_module, "TWIN_HEAP_UNITS_MAX", 64)
    heap = Heap(tmp_path / "heap", head)
    handle = write(heap, 1, b"kept")
    assert write(heap, 2, b"z" * 2000) == 0
    assert block(heap._words, 5, 1, handle) == b"kept"
    assert write(heap, 1, b"same", handle) == handle


def test_recovery_goes_past_every_block(tmp_path: Path, head: Any) -> None:
    heap = Heap(tmp_path / "heap", head)
    handle = write(heap, 1, b"kept")
    head[Head.HEAP_END] = 1  # what a power cut may leave: the head older than the blocks
    again = Heap(tmp_path / "heap", head)
    again.recover()
    assert write(again, 2, b"new") > handle + 1
    assert block(again._words, 5, 1, handle) == b"kept"


def test_nothing_is_there_before_the_first_block() -> None:
    nothing = np.zeros(0, np.uint32)
    assert block(nothing, 5, 1, 1) is None
    payload, starts, gone = blocks(nothing, 5, np.array([1]), np.array([1], np.uint32))
    assert (len(payload), starts.tolist(), gone.tolist()) == (0, [0, 0], [True])
