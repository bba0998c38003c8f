"""What the sessions make of many peers' packets at once: publishes that need no session any more.

Checked here: that a publish comes after CONNECT and goes to a topic of its own VIN, that no more is
unacknowledged than was agreed. Done here: topic aliases become topics, a repeated QoS 2 publish
becomes a PUBREC (so that it is answered and not stored), publishes of MQTT 5 are marked by their
DUP flag, and a DISCONNECT is given its session's VIN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.errors import MessageError
from motorcade.limits import MQTT_ALIASES_MAX, MQTT_RECEIVE_MAX
from motorcade.protocols.frames import Frames, Heard, Reject
from motorcade.protocols.mqtt.layout import FIVE, Layout, layout, types
from motorcade.protocols.mqtt.packets import Ack, Disconnect, read_packet, write_packet
from motorcade.protocols.mqtt.properties import read_properties, write_properties
from motorcade.protocols.mqtt.session import CONNECTED, NEW, Session
from motorcade.protocols.mqtt.topics import is_channel, up
from motorcade.protocols.mqtt.wording import Reader, binary, varint
from motorcade.protocols.mqtt.words import (
    CONNECT,
    DISCONNECT,
    PUBACK,
    PUBLISH,
    PUBREC,
    V5,
    reason_of,
)

__all__ = ["VIN", "hear"]

VIN: Final = "vin"
"""The user property by which a heard DISCONNECT names its vehicle."""

_ALIAS: Final = 0x23
_TOPIC_KEPT_MAX: Final = 100
"""Bytes of an aliased topic that are kept: more than any valid one has, so a longer one stays
invalid."""


def hear(frames: Frames, sessions: Sequence[Session], now_us: int) -> Heard:
    """``sessions[i]`` is the session of the frames whose ``peer`` is i; ``now_us`` µs UTC.

    Frames of peers that have not logged in yet come back as they are. Reject codes, all but
    ``topic`` and ``vin_mismatch`` in ``FATAL``: ``protocol``, ``malformed``, ``alias``,
    ``receive_maximum``, ``retain``, ``forbidden_topic``.
    """
    if not len(frames):
        return Heard(frames)
    return _Hearing(frames, sessions).result()


class _Hearing:
    """One call. ``keep`` bool (n): rows that go on; ``anew``: rows with other bytes."""

    def __init__(self, frames: Frames, sessions: Sequence[Session]) -> None:
        self.frames = frames
        self.sessions = sessions
        self.types = types(frames)
        self.keep = np.ones(len(frames), bool)
        self.anew: dict[int, bytes] = {}
        self.rejects: list[Reject] = []
        self.replies: list[tuple[int, bytes]] = []
        self.ended: set[int] = set()
        count = len(sessions)
        self.connected = np.fromiter((one.state == CONNECTED for one in sessions), bool, count)
        self.five = np.fromiter((one.version == V5 for one in sessions), bool, count)

    def result(self) -> Heard:
        frames, peer = self.frames, self.frames.peer
        self._strangers()
        ours = (self.types == PUBLISH) & self.connected[peer]
        publish = np.flatnonzero(ours)
        marked = frames
        if len(publish):
            five = self.five[peer]
            found = layout(frames, five)
            if len(publish) == len(frames):
                self._published(publish, frames, found)
                # The mark changes a flag; everything stands where it stood.
                marked = found.noted(self._marked(publish, five))
            else:
                self._published(publish, frames.take(publish), found.take(publish))
                marked = self._marked(publish, five[publish])
        for row in np.flatnonzero((self.types == DISCONNECT) & self.connected[peer]).tolist():
            self._leaving(row)
        if self.anew:
            marked = self._rewritten(marked)
        if not self.keep.all():
            marked = marked.take(self.keep)
        return Heard(marked, self.rejects, self.replies)

    def _strangers(self) -> None:
        """Peers whose first packet is no CONNECT (section 3.1, MQTT-3.1.0-1)."""
        if self.connected.all():
            return
        first = np.flatnonzero(np.diff(self.frames.peer, prepend=-1))
        for row in first[self.types[first] != CONNECT].tolist():
            if self.sessions[int(self.frames.peer[row])].state == NEW:
                self._end(row, "protocol", "The first packet is no CONNECT.")

    def _published(self, publish: NDArray[np.int64], some: Frames, found: Layout) -> None:
        data = self.frames.buffer.tobytes()
        self._too_many(publish, some, found)
        odd = (found.qos == 2) | ~found.good | (found.properties_len > 0)
        odd |= self.five[some.peer] & (data_flags(some) & 1 != 0)
        begins, ends = found.topic_at.tolist(), (found.topic_at + found.topic_len).tolist()
        topics = [data[begin:end] for begin, end in zip(begins, ends, strict=True)]
        sessions, ended, peers = self.sessions, self.ended, some.peer.tolist()
        if not ended and not odd.any() and topics == [sessions[peer].topic for peer in peers]:
            return  # What nearly all ticks are: plain publishes, to the topics of the last ones.
        for place, (peer, special) in enumerate(zip(peers, odd.tolist(), strict=True)):
            session, topic = sessions[peer], topics[place]
            if not special and topic == session.topic and not ended:
                continue
            row = int(publish[place])
            if peer in ended:
                self.keep[row] = False
                continue
            if special:
                known = self._special(row, place, found, session, topic)
                if known is None:
                    continue
                topic = known
            if topic != session.topic:
                self._topic(row, place, found, session, topic)

    def _too_many(self, publish: NDArray[np.int64], some: Frames, found: Layout) -> None:
        """More at once than may be unacknowledged: none of a chunk's publishes has been
        answered."""
        if len(publish) <= MQTT_RECEIVE_MAX:
            return
        counted = np.bincount(some.peer[found.qos > 0], minlength=len(self.sessions))
        for peer in np.flatnonzero((counted > MQTT_RECEIVE_MAX) & self.five).tolist():
            row = int(publish[np.flatnonzero(some.peer == peer)[0]])
            reason = f"More than {MQTT_RECEIVE_MAX} publishes are unacknowledged."
            self._end(row, "receive_maximum", reason)

    def _special(
        self, row: int, place: int, found: Layout, session: Session, topic: bytes
    ) -> bytes | None:
        """A publish that is more than topic and payload; its topic, None where it does not go
        on."""
        if not found.good[place]:
            self._end(row, "malformed", "A part of the PUBLISH reaches beyond its end.")
            return None
        qos, packet_id = int(found.qos[place]), int(found.packet_id[place])
        if session.version == V5:
            if int(self.frames.buffer[self.frames.offset[row]]) & 1:
                self._end(row, "retain", "Nothing is retained here.")
                return None
            if found.properties_len[place]:
                known = self._aliased(row, place, found, session, topic)
                if known is None:
                    return None
                topic = known
        if qos == 2:
            if session.received is None:
                session.received = set()
            if packet_id in session.received:
                self.anew[row] = write_packet(Ack(PUBREC, packet_id), session.version)
                return None
            if len(session.received) >= MQTT_RECEIVE_MAX:
                self._end(row, "receive_maximum", "Too many QoS 2 publishes are not released.")
                return None
            if topic == session.topic:
                session.received.add(packet_id)
        return topic

    def _aliased(
        self, row: int, place: int, found: Layout, session: Session, topic: bytes
    ) -> bytes | None:
        """The topic of a publish with properties; its alias is learned or put in its place."""
        at, size = int(found.properties_at[place]), int(found.properties_len[place])
        raw = self.frames.buffer[at : at + size].tobytes()
        rest = b"\0"
        if size == 3 and raw[0] == _ALIAS:
            alias = raw[1] << 8 | raw[2]
        else:
            try:
                told = read_properties(Reader(varint(size) + raw), PUBLISH)
            except MessageError as error:
                self._end(row, error.facts["kind"], error.detail)
                return None
            if "subscription_identifier" in told:
                self._end(row, "protocol", "Only a server sends subscription identifiers.")
                return None
            alias = told.pop("topic_alias", -1)
            if alias < 0:
                return topic
            rest = write_properties(told, PUBLISH)
        if not 0 < alias <= MQTT_ALIASES_MAX:
            self._end(row, "alias", f"A topic alias is 1 to {MQTT_ALIASES_MAX}, not {alias}.")
            return None
        if session.aliases is None:
            session.aliases = {}
        if topic:
            session.aliases[alias] = topic[:_TOPIC_KEPT_MAX]
            return topic
        known = session.aliases.get(alias)
        if known is None:
            self._end(row, "protocol", f"Topic alias {alias} stands for nothing yet.")
            return None
        self.anew[row] = _with_topic(self.frames, row, found, place, (known, rest))
        return known

    def _topic(self, row: int, place: int, found: Layout, session: Session, topic: bytes) -> None:
        """A topic not seen in the last publish: remembered where it may be published to."""
        start = up(session.identity)
        if topic.startswith(start) and is_channel(topic[len(start) :]):
            session.topic = topic
            if found.qos[place] == 2 and session.received is not None:
                session.received.add(int(found.packet_id[place]))
            return
        if not topic and session.version == V5:
            self._end(row, "protocol", "A PUBLISH has neither a topic nor an alias.")
            return
        levels = topic.split(b"/")
        others = len(levels) == 4 and levels[0] == b"v" and levels[2] == b"up"
        code = "vin_mismatch" if others and levels[1] != start[2:-4] else "topic"
        reason = "Publishes go to v/<vin>/up/<channel> of the VIN that logged in."
        if session.version != V5:
            self._end(row, "forbidden_topic", reason)
            return
        self.keep[row] = False
        self.anew.pop(row, None)
        self._reject(row, code, reason)
        qos = int(found.qos[place])
        if qos:
            kind = PUBACK if qos == 1 else PUBREC
            answer = Ack(kind, int(found.packet_id[place]), reason_of(code))
            self.replies.append((int(self.frames.peer[row]), write_packet(answer, V5)))

    def _leaving(self, row: int) -> None:
        """A DISCONNECT, with the VIN it ends: whoever stores it knows no session."""
        if not self.keep[row] or int(self.frames.peer[row]) in self.ended:
            self.keep[row] = False
            return
        session = self.sessions[int(self.frames.peer[row])]
        try:
            packet = read_packet(self.frames.bytes_of(row), session.version)
        except MessageError as error:
            self._end(row, error.facts["kind"], error.detail)
            return
        told: Mapping[str, Any] = packet.properties if isinstance(packet, Disconnect) else {}
        reason = packet.reason if isinstance(packet, Disconnect) else 0
        pairs = [*told.get("user_property", ()), (VIN, session.identity)]
        self.anew[row] = write_packet(Disconnect(reason, {**told, "user_property": pairs}), V5)

    def _end(self, row: int, code: str, reason: str) -> None:
        """This peer is done for: nothing of it from this row on goes on."""
        peer = int(self.frames.peer[row])
        if peer in self.ended:
            return
        self.ended.add(peer)
        beyond = self.frames.peer == peer
        beyond[:row] = False
        self.keep &= ~beyond
        self._reject(row, code, reason)

    def _reject(self, row: int, code: str, reason: str) -> None:
        peer = int(self.frames.peer[row])
        self.rejects.append(Reject(code, reason, self.frames.bytes_of(row), -1, peer))

    def _marked(self, publish: NDArray[np.int64], five: NDArray[np.bool_]) -> Frames:
        """The frames in a copy of the buffer where the DUP flag of publishes says MQTT 5."""
        frames = self.frames
        buffer = frames.buffer.copy()
        at = frames.offset[publish]
        buffer[at] = (buffer[at] & np.uint8(0xF7)) | np.where(five, FIVE, 0).astype(np.uint8)
        return Frames(
            buffer, frames.offset, frames.length, frames.peer, frames.vehicle, frames.tenant
        )

    def _rewritten(self, frames: Frames) -> Frames:
        """The frames with new bytes behind the buffer for those that have some."""
        offset, length = frames.offset.copy(), frames.length.copy()
        at = len(frames.buffer)
        for row, packet in self.anew.items():
            offset[row], length[row] = at, len(packet)
            at += len(packet)
        extra = np.frombuffer(b"".join(self.anew.values()), np.uint8)
        buffer = np.concatenate([frames.buffer, extra])
        return Frames(buffer, offset, length, frames.peer, frames.vehicle, frames.tenant)


def data_flags(frames: Frames) -> NDArray[np.uint8]:
    """The first byte of every frame."""
    return frames.buffer[frames.offset]


def _with_topic(
    frames: Frames, row: int, found: Layout, place: int, given: tuple[bytes, bytes]
) -> bytes:
    """A heard PUBLISH of MQTT 5 with another topic and other properties (``given``)."""
    topic, properties = given
    qos = int(found.qos[place])
    number = int(found.packet_id[place]).to_bytes(2, "big") if qos else b""
    at = int(found.payload_at[place])
    payload = frames.buffer[at : at + int(found.payload_len[place])].tobytes()
    body = binary(topic) + number + properties + payload
    return bytes([PUBLISH << 4 | FIVE | qos << 1]) + varint(len(body)) + body
