"""Ragged arrays of bytes: gather records of one size, copy ranges of many sizes, hash ranges.

Everything works on one buffer (uint8) and int64 columns of offsets and lengths; nothing loops over
rows.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["gather", "ranges", "concat", "starts_of", "hash64"]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_WASTE_MAX: Final = 2
"""How many times the ranges' own words a table for all of them may hold."""


def gather(buffer: NDArray[np.uint8], offset: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """The ``size`` bytes at each offset: uint8 (n, size). Every range must lie inside the
    buffer."""
    if len(offset) == 0 or size == 0:
        return np.zeros((len(offset), size), np.uint8)
    windows: NDArray[Any] = np.ndarray(
        (len(buffer) - size + 1,), dtype=f"V{size}", buffer=buffer, strides=(1,)
    )
    return windows[offset].view(np.uint8).reshape(len(offset), size)


def starts_of(length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each range begins when ranges of these lengths are laid end to end: int64 (n + 1)."""
    starts = np.zeros(len(length) + 1, np.int64)
    np.cumsum(length, out=starts[1:])
    return starts


def ranges(offset: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices of all ranges end to end: int64 (sum of lengths)."""
    starts = starts_of(length)
    return np.repeat(offset - starts[:-1], length) + np.arange(starts[-1])


def concat(
    buffer: NDArray[np.uint8], offset: NDArray[np.int64], length: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """The bytes of all ranges end to end: uint8 (sum of lengths)."""
    if len(offset) and (offset[1:] == offset[:-1] + length[:-1]).all():
        return buffer[offset[0] : offset[-1] + length[-1]]
    return buffer[ranges(offset, length)]


def hash64(
    buffer: NDArray[np.uint8], offset: NDArray[np.int64], length: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """A 64-bit hash of every range: uint64 (n). It is stored, so it never changes.

    Words of eight bytes (little-endian), counted so that the last one ends where the range ends;
    the first is shifted free of what stands before the range, so at least seven bytes must stand
    there. Each word is folded once and multiplied by its place's odd constant; the sum is mixed
    with the length.
    """
    if len(offset) == 0:
        return np.zeros(0, np.uint64)
    count = np.maximum((length + 7) >> 3, 1)
    surplus = (8 * (8 * count - length)).astype(np.uint64)
    if (length == length[0]).all():
        places = int(count[0])
        rows = gather(buffer, offset + length - 8 * places, 8 * places)
        word = rows.view("<u8")
        word[:, 0] = _shifted(word[:, 0], surplus)
        word ^= word >> np.uint64(32)
        total = word @ _constants(places)
    elif int(count.max()) * len(count) <= _WASTE_MAX * int(count.sum()):
        total = _alike(buffer, offset + length, count, surplus)
    else:
        total = _mixed(buffer, offset + length - 8 * count, count, surplus)
    total ^= length.astype(np.uint64) * _GOLDEN
    return _finish(total)


def _alike(
    buffer: NDArray[np.uint8],
    end: NDArray[np.int64],
    count: NDArray[np.int64],
    surplus: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    """What ``_mixed`` gives, by one table as wide as the longest range: texts of a kind differ by a
    few digits. What stands before a shorter range is multiplied by zero."""
    most = int(count.max())
    begin = end - 8 * most
    before = -int(begin.min())
    if before > 0:
        buffer, begin = np.concatenate([np.zeros(before, np.uint8), buffer]), begin + before
    word = gather(buffer, begin, 8 * most).view("<u8")
    rows, first = np.arange(len(count)), most - count
    word[rows, first] = _shifted(word[rows, first], surplus)
    word ^= word >> np.uint64(32)
    # The row for m words is m constants behind zeros: a window of both end to end.
    padded = np.zeros(2 * most, np.uint64)
    padded[most:] = _constants(most)
    word *= gather(padded.view(np.uint8), 8 * count, 8 * most).view("<u8")
    total: NDArray[np.uint64] = word.sum(axis=1)
    return total


def _mixed(
    buffer: NDArray[np.uint8],
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    surplus: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    words: NDArray[Any] = np.ndarray(
        (max(len(buffer) - 7, 0),), dtype="<u8", buffer=buffer, strides=(1,)
    )
    starts = starts_of(count)
    place = np.arange(starts[-1]) - np.repeat(starts[:-1], count)
    word = words[np.repeat(first, count) + place * 8]
    word[starts[:-1]] = _shifted(word[starts[:-1]], surplus)
    word ^= word >> np.uint64(32)
    word *= _constants(int(count.max()))[place]
    total: NDArray[np.uint64] = np.add.reduceat(word, starts[:-1])
    return total


def _shifted(word: NDArray[np.uint64], bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The word without its low ``bits``; shifting all 64 out is an empty range, which is zero."""
    return np.where(bits < 64, word >> np.minimum(bits, np.uint64(63)), np.uint64(0))


def _constants(count: int) -> NDArray[np.uint64]:
    """Odd multipliers by place, from splitmix64."""
    state = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
    return _finish(state) | np.uint64(1)


def _finish(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
