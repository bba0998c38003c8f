"""What peers' sessions make of cut frames: sub-packages joined, answers shown to the conversation.

A frame that is neither a sub-package nor an answer passes as it is, which costs a look at one byte
of its header. A sub-package of a record is a record itself (``pieces``), so what a terminal is
answered for is on disk; in place of the one that completes a message comes the whole message,
under that one's serial. Parts that get lost are asked for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Frames, Heard, Reject
from motorcade.protocols.jt808.encode import escaped
from motorcade.protocols.jt808.fragments import Fragments, Part
from motorcade.protocols.jt808.heads import EDITION_2019, SHORT_SERIAL, Heads, read_heads
from motorcade.protocols.jt808.packets import MARK, read_packet
from motorcade.protocols.jt808.rows import messages
from motorcade.protocols.jt808.side import aside
from motorcade.protocols.jt808.words import (
    ANSWERS,
    COPY,
    ENCRYPTED,
    FILE_JUDGED,
    PACKET,
    RECORDS,
)

if TYPE_CHECKING:
    from motorcade.protocols.jt808.session import Session

__all__ = ["hear"]

_OURS: Final = "The message is none of the standard's."
_COPIED: Final = np.zeros(1 << 16, bool)
_COPIED[[*ANSWERS, PACKET, FILE_JUDGED]] = True


@dataclass(slots=True)
class _Made:
    """Frames to put among the others: (row they come behind, bytes)."""

    gone: list[int] = field(default_factory=list)
    made: list[tuple[int, bytes]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def hear(frames: Frames, sessions: Sequence[Session], now: int) -> Heard:
    """Frames that need no session any more; ``sessions[i]`` is the session of ``frames.peer == i``,
    ``now`` µs UTC. Reject codes: ``fragments``, ``attachment``, ``message``."""
    buffer = frames.buffer
    first = buffer[frames.offset]
    at = frames.offset + (first == 0x7E)
    ids = messages(frames)
    special = _COPIED[ids] | ((buffer[at + 2] & 0x20) != 0)
    # With an escape before it, that byte is not the attributes' first.
    special |= (buffer[at] == 0x7D) | (buffer[at + 1] == 0x7D) | (buffer[at + 2] == 0x7D)
    beside = np.fromiter((one.is_side for one in sessions), bool, len(sessions))[frames.peer]
    for row in np.flatnonzero(first == MARK[0]).tolist():
        beside[row] |= read_packet(frames.bytes_of(row)) is not None
    rows = np.flatnonzero(special & ~beside)
    made = _Made()
    if len(rows):
        heads = read_heads(frames.take(rows))
        for place, row in enumerate(rows.tolist()):
            peer, frame = int(frames.peer[row]), frames.bytes_of(row)
            if int(heads.message[place]) in (PACKET, FILE_JUDGED):  # which only we may make
                made.gone.append(row)
                made.rejects.append(Reject("message", _OURS, frame, -1, peer))
            else:
                _one(made, heads, place, row, frame, session=sessions[peer], now=now)
    _aside(made, np.flatnonzero(beside), frames, sessions)
    for peer in np.unique(frames.peer).tolist():
        gathered = sessions[peer].fragments
        if gathered is not None and gathered.given_up:
            made.rejects += [
                Reject(one.code, one.reason, one.data, -1, peer) for one in gathered.given_up
            ]
            gathered.given_up.clear()
    return Heard(_joined(frames, made), made.rejects)


def _aside(
    made: _Made, rows: NDArray[np.int64], frames: Frames, sessions: Sequence[Session]
) -> None:
    """Frames of connections for attachments, and packets wherever they came."""
    for row in rows.tolist():
        peer = int(frames.peer[row])
        frame = frames.bytes_of(row)
        stands = aside(frame, sessions[peer].attachments, peer)
        if stands is frame:
            continue
        made.gone.append(row)
        if isinstance(stands, Reject):
            made.rejects.append(stands)
        else:
            made.made.append((row, stands))


def _one(
    made: _Made, heads: Heads, place: int, row: int, frame: bytes, *, session: Session, now: int
) -> None:
    message, total = int(heads.message[place]), int(heads.total[place])
    body = heads.body_of(place)
    layout = int(heads.layout[place])
    if int(heads.attributes[place]) & ENCRYPTED and layout != SHORT_SERIAL:
        return  # Refused as it is: nothing can be read in it, whole or not.
    if total and int(heads.index[place]) and layout != SHORT_SERIAL:
        part = Part(
            frame,
            message,
            layout,
            int(heads.serial[place]),
            total,
            int(heads.index[place]),
            body,
        )
        if session.fragments is None:
            session.fragments = Fragments()
        whole = session.fragments.add(part, now)
        if whole is None:
            if message not in RECORDS or part.index > total:
                made.gone.append(row)
            return
        made.gone.append(row)
        made.made.append((row, _again(heads, place, message, whole, total)))
        body = whole
    if message in ANSWERS:
        shown = message.to_bytes(2, "big") + body
        made.made.append((row, _again(heads, place, COPY, shown, max(total, 1))))


def _again(heads: Heads, place: int, message: int, body: bytes, total: int) -> bytes:
    """A frame under the header of another, its body of any length (``heads`` says how)."""
    new = int(heads.layout[place]) == EDITION_2019
    phone = int(heads.phone[place]) - new
    attributes = len(body) & 0x3FF | 0x2000 | (0x4000 if new else 0)
    head = message.to_bytes(2, "big") + attributes.to_bytes(2, "big")
    head += heads.buffer[phone : phone + (11 if new else 6)].tobytes()
    head += int(heads.serial[place]).to_bytes(2, "big") + total.to_bytes(2, "big") + bytes(2)
    return escaped(head + body)


def _joined(frames: Frames, made: _Made) -> Frames:
    """The frames without those gone, those made behind their rows."""
    if not made.gone and not made.made:
        return frames
    kept: NDArray[np.int64] = np.setdiff1d(np.arange(len(frames)), np.array(made.gone, np.int64))
    behind = np.array([row for row, _ in made.made], np.int64)
    lengths = np.array([len(data) for _, data in made.made], np.int64)
    more = np.frombuffer(b"".join(data for _, data in made.made), np.uint8)
    source = np.concatenate([kept, behind])
    offset = np.concatenate(
        [frames.offset[kept], len(frames.buffer) + np.cumsum(lengths) - lengths]
    )
    length = np.concatenate([frames.length[kept], lengths])
    order = np.argsort(source, kind="stable")
    source = source[order]
    return Frames(
        np.concatenate([frames.buffer, more]),
        offset[order],
        length[order],
        frames.peer[source],
        frames.vehicle[source],
        frames.tenant[source],
    )
