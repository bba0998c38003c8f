"""Checksums over many ranges of one buffer at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["xor8"]


def xor8(
    buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """The XOR of the bytes ``start`` to ``end`` of every range: uint8 (n). Ranges may overlap.

    Ranges that together are about as long as the buffer are reduced one by one, which numpy does at
    SIMD speed; many long overlapping ones (only a hostile stream has them) by one pass of running
    XOR.
    """
    if len(start) == 0:
        return np.zeros(0, np.uint8)
    if int((end - start).sum()) > 4 * len(buffer):
        running = np.zeros(len(buffer) + 1, np.uint8)
        np.bitwise_xor.accumulate(buffer, out=running[1:])
        return running[end] ^ running[start]
    edges = np.empty(2 * len(start), np.int64)
    edges[0::2] = start
    edges[1::2] = end
    inside = np.minimum(edges, len(buffer) - 1)
    result = np.bitwise_xor.reduceat(buffer, inside)[0::2]
    result[(end >= len(buffer)) & (start < len(buffer) - 1)] ^= buffer[-1]
    result[start >= end] = 0
    return result
