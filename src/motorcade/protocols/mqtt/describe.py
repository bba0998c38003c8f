"""One packet for people: what ``motorcade decode mqtt`` prints."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from motorcade.errors import MessageError
from motorcade.protocols.frames import Frames, Reject
from motorcade.protocols.inspect import described
from motorcade.protocols.mqtt.alone import one_reply
from motorcade.protocols.mqtt.answers import answer, flags_for
from motorcade.protocols.mqtt.decode import decode
from motorcade.protocols.mqtt.framing import frames_from
from motorcade.protocols.mqtt.hearing import hear
from motorcade.protocols.mqtt.packets import Connect, Packet, Publish, read_packet
from motorcade.protocols.mqtt.rows import vins
from motorcade.protocols.mqtt.session import Session
from motorcade.protocols.mqtt.words import NAMES, V3, V5
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import qualities
from motorcade.signals.text import iso_time, shown_column

__all__ = ["describe"]

_NAME: Final = "mqtt"
_HIDDEN: Final = "…"


def describe(
    frame: bytes,
    session: Session | None = None,
    *,
    settings: Any = None,
    now: int | None = None,
) -> dict[str, Any]:
    """A complete packet as the object of ``protocols.inspect``.

    ``session`` remembers the version, the VIN and the aliases of what came before; without one a
    packet is read as 3.1.1, or as 5.0 where that fails. Passwords are not shown. ``now`` (µs UTC)
    is the time of readings without one.
    """
    version = (session.version if session else 0) or _guess(frame)
    base = described(_NAME, NAMES[frame[0] >> 4])
    try:
        packet = read_packet(frame, version)
    except MessageError as error:
        base["raw"] = {"hex": frame.hex()}
        base["reject"] = {"code": error.facts["kind"], "reason": error.detail}
        return base
    base["raw"] = _shown(packet)
    frames = frames_from([frame])
    if isinstance(packet, Publish):
        _describe_reading(base, frames, session, version, now or 0)
    elif session is not None:
        reply, fatal = one_reply(session, frames, now or 0)
        base["reply"] = reply.hex() or None
        if fatal:
            base["reject"] = {"code": "protocol", "reason": "This ends the connection."}
    if isinstance(packet, Connect):
        base["vin"] = vins(frames)[0].decode("ascii", "replace") or None
    return base


def _describe_reading(
    base: dict[str, Any], frames: Frames, session: Session | None, version: int, now: int
) -> None:
    """The first reading of a publish; how many there are stands in ``raw``."""
    if session is None:
        session = Session()
    if not session.identity:
        session.identity = vins(frames)[0].decode("ascii", "replace")
        session.version, session.state = version, 2
    heard = hear(frames, [session], now)
    if not len(heard.frames):
        base["reply"] = b"".join(reply for _, reply in heard.replies).hex() or None
        base["reject"] = _first(list(heard.rejects))
        return
    base["vin"] = vins(heard.frames)[0].decode("ascii", "replace") or None
    decoded = decode(heard.frames, now)
    if decoded.batches:
        batch = decoded.batches[0]
        catalogue = load_catalogue()
        if len(batch) > 1:
            base["raw"]["readings"] = len(batch)
        base["event_time"] = iso_time(int(batch.numpy("event_time")[0]))
        shown = {p: shown_column(catalogue[p], batch.column(p))[0] for p in batch.paths}
        base["signals"] = {path: value for path, value in shown.items() if value is not None}
        base["quality"] = qualities(batch, catalogue)[0]
    base["reject"] = _first(list(decoded.rejects))
    flags = flags_for(heard.frames, list(decoded.rejects))
    base["reply"] = answer(heard.frames, flags).buffer.hex() or None


def _first(rejects: list[Reject]) -> dict[str, str] | None:
    return {"code": rejects[0].code, "reason": rejects[0].reason} if rejects else None


def _shown(packet: Packet) -> dict[str, Any]:
    """The fields of a packet; payloads as text where they are one."""
    fields = {name: _plain(getattr(packet, name)) for name in packet.__struct_fields__}
    if fields.get("password") is not None:
        fields["password"] = _HIDDEN
    return {name: value for name, value in fields.items() if value not in (None, {})}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return value.hex()
        return text if text.isprintable() else value.hex()
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return value


def _guess(frame: bytes) -> int:
    """The version a packet reads as when nobody told."""
    try:
        packet = read_packet(frame, V3)
    except MessageError:
        return V5
    if isinstance(packet, Publish):
        body = packet.payload[:1]
        return V5 if body and body not in b"{[ \t\r\n" and body < b"\x80" else V3
    return V3
