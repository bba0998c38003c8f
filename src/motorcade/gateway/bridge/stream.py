"""A broker's byte stream cut into packets, with messages that are too long taken out.

A broker that speaks 3.1.1 cannot be told how long a message may be, and would send one that closes
the connection again and again. So its beginning is kept for people to see, the rest is skipped.
"""

from __future__ import annotations

from typing import Final

from motorcade.errors import DependencyError, MessageError
from motorcade.protocols.mqtt.packets import Packet, Publish, read_packet
from motorcade.protocols.mqtt.wording import Reader
from motorcade.protocols.mqtt.words import PUBLISH

__all__ = ["TOO_LARGE", "PacketStream"]

TOO_LARGE: Final = "too_large"
"""The property of a publish that was cut short; its value is the packet's bytes."""

_KEPT: Final = 4_096
_HEAD: Final = 5
_TOPIC_MAX: Final = 65_535


class PacketStream:
    """``feed`` it whatever came; packets come out in order. ``DependencyError`` where the broker
    breaks MQTT."""

    def __init__(self, version: int, bytes_max: int) -> None:
        self._version = version
        self._max = bytes_max
        self._data = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are whole now."""
        found: list[Packet] = []
        if self._skip:
            gone = min(self._skip, len(data))
            self._skip -= gone
            data = data[gone:]
        self._data += data
        at = 0
        while len(self._data) - at >= 2:
            size, width = self._size(at)
            if not width:
                break
            if size > self._max:
                cut = self._cut_short(at, size, width)
                if cut is None:
                    break
                found.append(cut)
                taken = min(size, len(self._data) - at)
                self._skip = size - taken
                at += taken
                continue
            if at + size > len(self._data):
                break
            found.append(self._read(bytes(self._data[at : at + size])))
            at += size
        del self._data[:at]
        return found

    def _size(self, at: int) -> tuple[int, int]:
        """Bytes of the packet at a place and of its length; 0 where that has not come."""
        value = 0
        for place in range(1, _HEAD):
            if at + place >= len(self._data):
                return 0, 0
            byte = self._data[at + place]
            value |= (byte & 0x7F) << 7 * (place - 1)
            if byte < 0x80:
                return value + place + 1, place
        raise DependencyError("the broker sends a packet without a length")

    def _cut_short(self, at: int, size: int, width: int) -> Publish | None:
        """The beginning of a publish that is too long; None until enough of it has come."""
        first = self._data[at]
        if first >> 4 != PUBLISH:
            raise DependencyError(f"the broker sends {size} bytes that are no message")
        there = bytes(self._data[at + 1 + width : at + 1 + width + _TOPIC_MAX + _KEPT])
        try:
            reader = Reader(there)
            topic = reader.text()
            number = reader.number(2) if first & 6 else 0
            start = reader.take(_KEPT)
        except MessageError:
            if len(there) < _TOPIC_MAX + _KEPT:
                return None
            raise DependencyError("the broker breaks MQTT: a topic is no text") from None
        qos = first >> 1 & 3
        told = {TOO_LARGE: size}
        return Publish(topic=topic, payload=start, qos=qos, packet_id=number, properties=told)

    def _read(self, frame: bytes) -> Packet:
        try:
            return read_packet(frame, self._version)
        except MessageError as error:
            raise DependencyError(f"the broker breaks MQTT: {error.detail}") from error
