"""Ragged tools against their plain-Python meaning."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from motorcade.wire.ragged import concat, gather, hash64, ranges, starts_of

PIECES = st.lists(st.binary(max_size=40), min_size=1, max_size=12)


def laid_out(pieces: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pieces behind eight bytes each, as the hash wants them."""
    buffer = b"".join(b"\xaa" * 8 + piece for piece in pieces)
    length = np.array([len(piece) for piece in pieces], np.int64)
    offset = starts_of(length + 8)[:-1] + 8
    return np.frombuffer(buffer, np.uint8), offset, length


@given(PIECES)
def test_concat_and_ranges(pieces: list[bytes]) -> None:
    buffer, offset, length = laid_out(pieces)
    assert concat(buffer, offset, length).tobytes() == b"".join(pieces)
    assert buffer[ranges(offset, length)].tobytes() == b"".join(pieces)


def test_gather() -> None:
    buffer = np.arange(20, dtype=np.uint8)
    assert gather(buffer, np.array([3, 17]), 3).tolist() == [[3, 4, 5], [17, 18, 19]]
    assert gather(buffer, np.zeros(0, np.int64), 3).shape == (0, 3)


@given(PIECES)
def test_a_hash_depends_on_the_bytes_alone(pieces: list[bytes]) -> None:
    buffer, offset, length = laid_out(pieces)
    together = hash64(buffer, offset, length)
    for row, piece in enumerate(pieces):
        alone, at, size = laid_out([b"something else", piece])
        assert hash64(alone, at[1:], size[1:])[0] == together[row]
    distinct = {piece: int(value) for piece, value in zip(pieces, together, strict=True)}
    assert len(set(distinct.values())) == len(distinct)


def test_the_hash_never_changes() -> None:
    buffer, offset, length = laid_out([b"", b"a", b"GB/T 32960.3", bytes(100)])
    assert [f"{value:016x}" for value in hash64(buffer, offset, length).tolist()] == [
        "0000000000000000",
        "6288e19b63c24e24",
        "b18f1a92902573a7",
        "3505b7796bd1a506",
    ]


def test_flipped_bits_change_the_hash() -> None:
    piece = np.random.default_rng(0).integers(0, 256, 37, dtype=np.uint8)
    flipped = [piece.tobytes()]
    for first in range(0, 37 * 8, 3):
        for second in range(first, 37 * 8, 7):
            other = piece.copy()
            other[first // 8] ^= 1 << first % 8
            if second != first:
                other[second // 8] ^= 1 << second % 8
            flipped.append(other.tobytes())
    values = hash64(*laid_out(flipped))
    assert len(np.unique(values)) == len(flipped)


def test_the_hash_is_the_same_whatever_ranges_are_beside_it() -> None:
    data = np.arange(4096, dtype=np.uint64).astype(np.uint8)
    length = np.array([300, 1, 0, 317, 309, 8, 301], np.int64)
    offset = np.array([8, 320, 330, 400, 800, 1200, 1300], np.int64)
    alone = np.array([hash64(data, offset[k : k + 1], length[k : k + 1])[0] for k in range(7)])
    assert (hash64(data, offset, length) == alone).all()
    some = np.array([0, 3, 4, 6])  # of nearly one length
    assert (hash64(data, offset[some], length[some]) == alone[some]).all()
