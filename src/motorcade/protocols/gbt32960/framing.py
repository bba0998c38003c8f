"""GB/T 32960.3 frames: the header's byte picture, and cutting the streams of many peers at once.

A frame (section 6.2 in both editions; integers big-endian, no escaping)::

    0   2  start: 23 23 "##" (2016) or 24 24 "$$" (2025)
    2   1  command
    3   1  answer flag: FE this is a command, else the answer to one
    4  17  VIN in ASCII, or a platform's unique code
    21  1  encryption of the data unit: 1 none, 2 RSA, 3 AES-128, 4 SM2, 5 SM4, FE abnormal,
           FF invalid
    22  2  length n of the data unit, at most 65,531
    24  n  data unit
    24+n 1 BCC: XOR of bytes 2 to 23+n

A stream is read from one plausible header to the next. A header is plausible when start, answer
flag, encryption, length and every byte of the VIN are ones the standard knows; anything else is
garbage and is searched for the next start. So is a frame whose BCC is wrong: its length may be what
broke, and the frames behind it may stand inside the bytes it claimed. That makes the frames found
independent of how the stream was sliced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Cut, Frames, Reject
from motorcade.wire.checksum import xor8
from motorcade.wire.ragged import gather

__all__ = ["HEADER", "OVERHEAD", "UNIT_MAX", "cut", "frames_of"]

HEADER: Final = 24
"""Bytes before the data unit."""

OVERHEAD: Final = 25
"""Bytes of a frame beside its data unit: header and BCC."""

UNIT_MAX: Final = 65_531
"""Longest data unit (section 6.2)."""

_REJECT_BYTES_MAX: Final = 4096
"""Bytes of a rejected stretch that its ``Reject`` keeps."""

_MANY: Final = 64
_DENSE: Final = 16
"""More candidates than ``_MANY``, and one in ``_DENSE`` bytes: closer than frames can be."""

_FLAGS: Final = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0xFE)
_CIPHERS: Final = (0x01, 0x02, 0x03, 0x04, 0x05, 0xFE, 0xFF)


def cut(chunks: Sequence[bytes]) -> Cut:
    """Complete frames with a right BCC from one chunk of bytes per peer; never raises."""
    joined = b"".join(chunks)
    buffer = np.frombuffer(joined, np.uint8)
    ends = np.cumsum(np.fromiter(map(len, chunks), np.int64, len(chunks)))
    if not joined:
        return Cut(frames_of(buffer, *(np.zeros(0, np.int64),) * 3), {}, ())
    return _Scan(buffer, ends).result()


def frames_of(
    buffer: NDArray[np.uint8],
    offset: NDArray[np.int64],
    length: NDArray[np.int64],
    peer: NDArray[np.int64],
) -> Frames:
    """``Frames`` whose vehicles are not known yet."""
    rows = len(offset)
    return Frames(
        buffer, offset, length, peer, np.zeros(rows, np.uint64), np.zeros(rows, np.uint32)
    )


class _Scan:
    """One cut: candidates (places where a plausible header stands), who follows whom, who is
    reached.

    A node is a candidate; ``len(at)`` is the node that ends every chain. A candidate's successor is
    the first candidate at or after its frame's end, or after its own start when its BCC is wrong. A
    frame is in the stream when it is reached from its chunk's first candidate: found by doubling
    the jumps.
    """

    def __init__(self, buffer: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self.buffer = buffer
        self.ends = ends
        self.begins = np.concatenate([[0], ends[:-1]])
        self._find()
        self._link()
        self._reach()

    def _find(self) -> None:
        """``at``, ``peer``, ``size`` (of the frame; -1 where its header is not complete)."""
        buffer = self.buffer
        low = (buffer == 0x23) | (buffer == 0x24)
        last = self.ends[self.ends > self.begins] - 1
        half = last[low[last]]
        low[:-1] &= buffer[:-1] == buffer[1:]
        # A chunk may end between the two start bytes, whatever the next peer's chunk begins with.
        low[half] = True
        at = np.flatnonzero(low)
        # A stretch of starts has a candidate a byte: those that cannot be are struck by one byte
        # each, before anything is gathered of them.
        for place, known in ((3, _member(_FLAGS)), (21, _member(_CIPHERS))):
            if len(at) > _MANY and len(at) * _DENSE > len(buffer):
                at = self._plausible(at, place, known)
        peer = np.searchsorted(self.ends, at, side="right")
        room = self.ends[peer] - at
        pair = (room == 1) | (buffer[np.minimum(at + 1, len(buffer) - 1)] == buffer[at])
        at, peer, room = at[pair], peer[pair], room[pair]
        size = np.full(len(at), -1, np.int64)
        whole = np.flatnonzero(room >= HEADER)
        header = gather(buffer, at[whole], HEADER)
        unit = header[:, 22].astype(np.int64) * 256 + header[:, 23]
        vin = header[:, 4:21]
        good = (unit <= UNIT_MAX) & (((vin >= 0x20) & (vin < 0x7F)) | (vin == 0)).all(axis=1)
        good &= _member(_FLAGS)[header[:, 3]] & _member(_CIPHERS)[header[:, 21]]
        size[whole] = unit + OVERHEAD
        keep = np.ones(len(at), bool)
        keep[whole[~good]] = False
        self.at, self.peer, self.size, room = at[keep], peer[keep], size[keep], room[keep]
        self.complete = (self.size > 0) & (self.size <= room)

    def _plausible(
        self, at: NDArray[np.int64], place: int, known: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """The candidates whose byte at ``place`` is known, or is not there yet."""
        there = at[: np.searchsorted(at, len(self.buffer) - place)] + place
        good = np.ones(len(at), bool)
        good[: len(there)] = known[self.buffer[there]]
        # That byte may stand in the next peer's chunk: those few candidates are kept.
        edges = (self.ends[:, None] - np.arange(1, place + 1)).ravel()
        found = np.searchsorted(at, edges)
        met = found < len(at)
        good[found[met][at[found[met]] == edges[met]]] = True
        kept: NDArray[np.int64] = at[good]
        return kept

    def _link(self) -> None:
        """``right`` (complete, BCC right) and each node's successor ``after``."""
        at, complete = self.at, self.complete
        nodes = len(at)
        begin, end = at[complete], at[complete] + self.size[complete]
        self.right = np.zeros(nodes, bool)
        self.right[complete] = xor8(self.buffer, begin + 2, end) == 0
        seek = np.where(self.right, at + self.size, at + 1)
        after = np.searchsorted(at, seek)
        stay = (after < nodes) & (np.append(self.peer, -1)[after] == self.peer) & complete
        self.after = np.append(np.where(stay, after, nodes), nodes)
        first = np.searchsorted(at, self.begins)
        self.root = first[(first < nodes) & (np.append(self.peer, -1)[first] == _index(self.ends))]

    def _reach(self) -> None:
        nodes = len(self.at)
        reached = np.zeros(nodes + 1, bool)
        reached[self.root] = True
        jump = self.after
        while (jump < nodes).any():
            reached[jump[reached]] = True
            jump = jump[jump]
        self.reached = np.flatnonzero(reached[:nodes])

    def result(self) -> Cut:
        nodes = self.reached
        frame = nodes[self.right[nodes]]
        frames = frames_of(self.buffer, self.at[frame], self.size[frame], self.peer[frame])
        tail = nodes[~self.complete[nodes]]
        remainder = {
            int(peer): self.buffer[at : self.ends[peer]].tobytes()
            for peer, at in zip(self.peer[tail].tolist(), self.at[tail].tolist(), strict=True)
        }
        return Cut(frames, remainder, self._rejects(nodes, frame, tail))

    def _rejects(
        self, nodes: NDArray[np.int64], frame: NDArray[np.int64], tail: NDArray[np.int64]
    ) -> list[Reject]:
        """Whatever bytes no frame and no tail took. Built one by one: they are the exception."""
        taken = int(self.size[frame].sum() + (self.ends[self.peer[tail]] - self.at[tail]).sum())
        if taken == len(self.buffer):
            return []
        wrong = nodes[self.complete[nodes] & ~self.right[nodes]]
        start = np.unique(
            np.concatenate([self.begins, self.at[frame] + self.size[frame], self.at[wrong]])
        )
        start = start[start < len(self.buffer)]
        peer = np.searchsorted(self.ends, start, side="right")
        stop = np.searchsorted(self.at[nodes], start)
        beside = np.append(self.at[nodes], len(self.buffer))
        broken = np.isin(start, self.at[wrong]) & (stop < len(nodes))
        until = np.minimum(beside[stop + np.where(broken, 1, 0)], self.ends[peer])
        found = []
        for place in np.flatnonzero(until > start).tolist():
            begin, end = int(start[place]), int(until[place])
            found.append(self._reject(begin, end, int(peer[place]), bool(broken[place])))
        return found

    def _reject(self, begin: int, end: int, peer: int, broken: bool) -> Reject:
        data = self.buffer[begin : min(end, begin + _REJECT_BYTES_MAX)].tobytes()
        if broken:
            return Reject("checksum", "The BCC does not match the bytes before it.", data, -1, peer)
        code, reason = _fault(data)
        return Reject(code, reason, data, -1, peer)


def _fault(data: bytes) -> tuple[str, str]:
    """Why a stretch of bytes is no frame."""
    if data[:2] not in (b"##", b"$$"):
        return "garbage", "Bytes between frames; none of them starts a frame."
    if len(data) < HEADER:
        return "garbage", "A start without a header."
    if int.from_bytes(data[22:24], "big") > UNIT_MAX:
        return "length", f"The data unit claims more than {UNIT_MAX} bytes."
    if data[3] not in _FLAGS:
        return "header", f"Answer flag {data[3]:02X} is not one of the standard."
    if data[21] not in _CIPHERS:
        return "header", f"Encryption {data[21]:02X} is not one of the standard."
    return "header", "The VIN holds bytes that are no printable ASCII."


def _member(values: tuple[int, ...]) -> NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[list(values)] = True
    return table


def _index(column: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.arange(len(column))
