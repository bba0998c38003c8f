"""A vehicle's side of a conversation, for this folder's tests."""

from __future__ import annotations

import json
from typing import Any

from motorcade.protocols import mqtt
from motorcade.protocols.mqtt import events
from motorcade.protocols.mqtt.packets import write_packet

__all__ = ["NOW", "OTHER", "VIN", "connected", "reading", "say"]

VIN = "LMCTEST0000000001"
OTHER = "LMCTEST0000000002"
NOW = 1_772_366_400_000_000


def connected(version: int, **given: Any) -> mqtt.Session:
    """A session that has logged in."""
    session = mqtt.Session()
    event = session.handle(mqtt.encode_connect(VIN, "secret", version=version, **given), NOW)
    assert isinstance(event, events.LoginRequested)
    event.reply(1, NOW)
    return session


def say(session: mqtt.Session, packet: Any) -> Any:
    """Hand a packet over as the gateway does; the event, or the answer of a record."""
    data = packet if isinstance(packet, bytes) else write_packet(packet, session.version)
    heard = mqtt.hear(mqtt.cut([data]).frames, [session], NOW)
    if heard.rejects:
        return heard.rejects[0].code
    if not len(heard.frames):
        return b"".join(reply for _, reply in heard.replies)
    if mqtt.is_record(heard.frames)[0]:
        decoded = mqtt.decode(heard.frames, NOW)
        return mqtt.answer(heard.frames, mqtt.flags_for(heard.frames, decoded.rejects)).buffer
    return session.handle(heard.frames.bytes_of(0), NOW)


def reading(**more: Any) -> bytes:
    return json.dumps({"ts": NOW, "signals": {"Vehicle.Speed": 54.5}, **more}).encode()
