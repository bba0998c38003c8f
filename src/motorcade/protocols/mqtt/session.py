"""One vehicle's conversation, sans-IO: from CONNECT to DISCONNECT, in either version.

``hear`` looks at the publishes of many sessions at once; every other packet comes to ``handle``.
What a session keeps is little: who it is, its filters, its will, the aliases and packet identifiers
in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from motorcade.errors import Invalid, MessageError
from motorcade.limits import (
    MQTT_ALIASES_MAX,
    MQTT_FILTERS_MAX,
    MQTT_KEEP_ALIVE_S_MAX,
    MQTT_PACKET_BYTES_MAX,
    MQTT_RECEIVE_MAX,
    MQTT_SESSION_EXPIRY_S_MAX,
    MQTT_WILL_BYTES_MAX,
)
from motorcade.protocols.commands import Answer
from motorcade.protocols.mqtt import events
from motorcade.protocols.mqtt.commands import key_of, read_answer
from motorcade.protocols.mqtt.events import Event
from motorcade.protocols.mqtt.packets import (
    Ack,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    read_packet,
    write_packet,
)
from motorcade.protocols.mqtt.topics import ANSWER, covers_commands, filter_fault, is_channel, up
from motorcade.protocols.mqtt.words import (
    CONNECT,
    DISCONNECT,
    NAMES,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    V3,
    V5,
    connect_code,
    reason_of,
)

__all__ = ["CONNECTED", "Session", "goodbye"]

NEW: Final = 0
WAITING: Final = 1
CONNECTED: Final = 2
CLOSED: Final = 3

_BEARERS: Final = frozenset({"lte", "nr", "cv2x", "satellite", "wifi", "wired"})
_PLAIN: Final = 0xFFFF
_NO_ID: Final = 0x11
_NO_TOPIC: Final = b"-"
_NAMED: Final = b"\0\x04MQTT"
_IN: Final = 1
_WITH_WILL: Final = 0x04
_ALLOWED: Final = frozenset(
    {CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT}
)
"""What a client sends, but for AUTH. PUBREC is none of its own: ``hear`` makes it of a repeated
QoS 2 publish, and it is taken for one only while that publish's identifier is in use."""


class Session:
    """The state of one connection. ``version`` 0 until CONNECT, then ``V3`` or ``V5``; ``identity``
    the VIN; ``filters`` granted (filter, QoS); ``will`` (channel, payload) or None; ``expiry_s``
    how long the filters are worth keeping after the connection."""

    __slots__ = (
        "_frames",
        "_replies",
        "_tail",
        "aliases",
        "expiry_s",
        "filters",
        "flight",
        "identity",
        "packet_max",
        "receive_max",
        "received",
        "resumed",
        "state",
        "topic",
        "version",
        "will",
        "will_delay_s",
    )

    def __init__(self) -> None:
        self.version = 0
        self.state = NEW
        self.identity = ""
        self.filters: tuple[tuple[str, int], ...] = ()
        self.will: tuple[str, bytes] | None = None
        self.will_delay_s = 0
        self.expiry_s = 0
        self.resumed = False
        self.receive_max = _PLAIN
        self.packet_max = MQTT_PACKET_BYTES_MAX
        self.topic = _NO_TOPIC
        self.aliases: dict[int, bytes] | None = None
        self.received: set[int] | None = None
        self.flight: dict[int, int] | None = None
        self._tail = b""
        self._frames: list[bytes] | None = None
        self._replies = b""

    @property
    def qos(self) -> int:
        """The QoS commands go out with; -1: the vehicle has not subscribed to them."""
        covering = (qos for name, qos in self.filters if covers_commands(name, self.identity))
        return max(covering, default=-1)

    @property
    def reachable(self) -> bool:
        """Whether commands can be sent: the vehicle has subscribed to them."""
        return self.qos >= 0

    def resume(self, filters: tuple[tuple[str, int], ...]) -> None:
        """Go on with the filters kept of an earlier connection; CONNACK will say so."""
        self.filters = filters
        self.resumed = True

    def will_frame(self) -> bytes:
        """The will as a heard PUBLISH, to be decoded like what the vehicle sends; empty for
        none."""
        if self.will is None:
            return b""
        channel, payload = self.will
        topic = up(self.identity).decode() + channel
        return write_packet(Publish(topic=topic, payload=payload), V3)

    def receive_data(self, data: bytes, now: int = 0) -> None:
        """Take any slice of the stream, and accept whatever is well formed; ``now`` µs UTC."""
        from motorcade.protocols.mqtt.alone import take

        self._tail, frames, replies = take(self, self._tail + data, now)
        self._frames = [*(self._frames or ()), *frames]
        self._replies += replies

    def frames_received(self) -> list[bytes]:
        """Complete packets since the last call, each handed over once."""
        frames, self._frames = self._frames or [], None
        return frames

    def data_to_send(self) -> bytes:
        """Answers owed since the last call, once."""
        data, self._replies = self._replies, b""
        return data

    def next_timer(self, now: int) -> int | None:
        """Never: silence is judged by whoever holds the connection."""
        return None

    def handle_timer(self, now: int) -> bytes:
        """Nothing to send."""
        return b""

    def handle(self, frame: bytes, now: int, settings: Any = None) -> Event | None:
        """What a packet asks for; None for a publish that is a record."""
        kind = frame[0] >> 4
        fault = self._out_of_place(kind)
        if fault:
            return self._refuse(frame, fault, f"{NAMES.get(kind, 'This')} has no place here.")
        try:
            # A DISCONNECT has been written anew by ``hear``, and 3.1.1's own reads the same.
            packet = read_packet(frame, V5 if kind == DISCONNECT else self._version_of(frame, kind))
        except MessageError as error:
            if kind == CONNECT and _NAMED in frame[:12]:
                level = frame[frame.index(_NAMED) + len(_NAMED) :][:1]
                self.version = level[0] if level in (b"\x04", b"\x05") else 0
            return self._refuse(frame, error.facts["kind"], error.detail)
        return self._asked(frame, packet)

    def admitted(self, flag: int, facts: Mapping[str, Any]) -> bytes:
        """CONNACK for a decided CONNECT; for ``LoginRequested.reply``."""
        if flag != _IN:
            self.state = CLOSED
            return write_packet(Connack(connect_code(flag, self.version)), self.version)
        self.state = CONNECTED
        if self.version == V3:
            return write_packet(Connack(0, self.resumed), V3)
        properties: dict[str, Any] = {
            "receive_maximum": MQTT_RECEIVE_MAX,
            "retain_available": 0,
            "maximum_packet_size": MQTT_PACKET_BYTES_MAX,
            "topic_alias_maximum": MQTT_ALIASES_MAX,
            "subscription_identifiers_available": 0,
            "shared_subscription_available": 0,
        }
        if facts.get("expiry_s", 0) != self.expiry_s:
            properties["session_expiry_interval"] = self.expiry_s
        if not facts.get("client_id"):
            properties["assigned_client_identifier"] = self.identity
        if not 0 < facts.get("keep_alive", 0) <= MQTT_KEEP_ALIVE_S_MAX:
            properties["server_keep_alive"] = MQTT_KEEP_ALIVE_S_MAX
        return write_packet(Connack(0, self.resumed, properties), V5)

    def _out_of_place(self, kind: int) -> str:
        if kind not in _ALLOWED:
            return "auth_method" if NAMES.get(kind) == "AUTH" else "protocol"
        return "protocol" if (kind == CONNECT) != (self.state == NEW) else ""

    def _version_of(self, frame: bytes, kind: int) -> int:
        """A heard PUBLISH tells its version itself; all others are the session's."""
        if kind == PUBLISH:
            return V5 if frame[0] & 8 else V3
        return self.version or V3

    def _asked(self, frame: bytes, packet: Packet) -> Event | None:
        match packet:
            case Publish():
                return self._published(frame, packet)
            case Ack():
                return self._acknowledged(frame, packet)
            case Connect():
                return self._connect(frame, packet)
            case Subscribe():
                return self._subscribe(frame, packet)
            case Unsubscribe():
                return self._unsubscribe(frame, packet)
            case Ping():
                data = write_packet(Ping(PINGRESP), self.version)
                return events.Heartbeat(frame=frame, session=self, data=data)
            case Disconnect():
                return self._disconnect(frame, packet)
            case _:
                return self._refuse(frame, "protocol", "Only a server sends this.")

    def _connect(self, frame: bytes, packet: Connect) -> Event:
        self.version = packet.version
        fault, reason = self._connect_fault(packet)
        if fault:
            return self._refuse(frame, fault, reason)
        told = packet.properties
        asked_s = told.get("session_expiry_interval", 0)
        if packet.version == V3 and not packet.clean:
            asked_s = MQTT_SESSION_EXPIRY_S_MAX
        self.expiry_s = min(asked_s, MQTT_SESSION_EXPIRY_S_MAX)
        self.receive_max = told.get("receive_maximum", _PLAIN)
        self.packet_max = told.get("maximum_packet_size", MQTT_PACKET_BYTES_MAX)
        keep_alive = packet.keep_alive
        if packet.version == V5 and not 0 < keep_alive <= MQTT_KEEP_ALIVE_S_MAX:
            keep_alive = MQTT_KEEP_ALIVE_S_MAX
        self.state = WAITING
        password = packet.password
        facts = {
            "client_id": packet.client_id,
            "keep_alive": packet.keep_alive,
            "expiry_s": asked_s,
            "version": packet.version,
        }
        return events.LoginRequested(
            frame=frame,
            session=self,
            identity=self.identity,
            credential=None if password is None else password.decode("utf-8", "replace"),
            bearer=_bearer_of(packet),
            keep_alive_s=1.5 * keep_alive,
            clean=packet.clean,
            facts=facts,
        )

    def _connect_fault(self, packet: Connect) -> tuple[str, str]:
        """Takes identity and will of a CONNECT; a code and a sentence where one is refused."""
        if "authentication_method" in packet.properties:
            return "auth_method", "Enhanced authentication is not spoken here."
        if packet.version == V3 and not packet.client_id and not packet.clean:
            return "client_id", "A kept session needs a client identifier."
        self.identity = identity_of(packet)
        will = packet.will
        if will is None:
            return "", ""
        if will.retain and packet.version == V5:
            return "retain", "Nothing is retained here, wills neither."
        start = up(self.identity) if self.identity else b""
        topic = will.topic.encode()
        if not topic.startswith(start) or not is_channel(topic[len(start) :]):
            return "will", "A will is published to v/<vin>/up/<channel> of its own VIN."
        if len(will.payload) > MQTT_WILL_BYTES_MAX:
            return "will_size", f"The payload of a will has at most {MQTT_WILL_BYTES_MAX} bytes."
        self.will = (topic[len(start) :].decode(), will.payload)
        self.will_delay_s = will.properties.get("will_delay_interval", 0)
        return "", ""

    def _published(self, frame: bytes, packet: Publish) -> Event | None:
        if not packet.topic.endswith(f"/up/{ANSWER}"):
            return None
        try:
            answer = read_answer(packet)
        except Invalid as error:
            return events.Refused(
                frame=frame,
                session=self,
                code="payload",
                reason=error.detail,
                owed=reason_of("payload"),
                packet_id=packet.packet_id,
                qos=packet.qos,
            )
        data = b""
        if packet.qos:
            kind = PUBACK if packet.qos == 1 else PUBREC
            data = write_packet(Ack(kind, packet.packet_id), self.version)
        return events.Answered(frame=frame, session=self, answer=answer, data=data)

    def _acknowledged(self, frame: bytes, packet: Ack) -> Event:
        number = packet.packet_id
        if packet.type == PUBACK:
            return self._delivered(frame, packet)
        known = self.received is not None and number in self.received
        if packet.type == PUBREL:
            if self.received is not None:
                self.received.discard(number)
            reason = 0 if known else reason_of("packet_id")
            return self._reply(frame, Ack(PUBCOMP, number, reason))
        if known:
            return self._reply(frame, Ack(PUBREC, number))
        return self._refuse(frame, "protocol", "Nothing was sent to this client with QoS 2.")

    def _delivered(self, frame: bytes, packet: Ack) -> Event:
        command = self.flight.pop(packet.packet_id, None) if self.flight else None
        if command is None:
            return events.Answered(frame=frame, session=self, answer=None)
        key = key_of(command)
        if packet.reason < 0x80:
            answer = Answer(key=key, outcome="delivered")
        else:
            detail = packet.properties.get("reason_string", f"reason 0x{packet.reason:02X}")
            answer = Answer(key=key, outcome="failed", code="refused", detail=detail)
        return events.Answered(frame=frame, session=self, answer=answer)

    def _subscribe(self, frame: bytes, packet: Subscribe) -> Event:
        kept = dict(self.filters)
        reasons = bytearray()
        for name, options in packet.filters:
            fault = filter_fault(name, self.identity)
            if "subscription_identifier" in packet.properties:
                fault = "subscription_id"
            elif not fault and name not in kept and len(kept) >= MQTT_FILTERS_MAX:
                fault = "quota"
            if fault:
                reasons.append(reason_of(fault) if self.version == V5 else 0x80)
            else:
                kept[name] = min(options & 3, 1)
                reasons.append(kept[name])
        self.filters = tuple(kept.items())
        data = write_packet(Suback(packet.packet_id, bytes(reasons)), self.version)
        qos = self.qos
        if qos < 0:
            return events.Replied(frame=frame, session=self, data=data)
        return events.Subscribed(frame=frame, session=self, data=data, qos=qos)

    def _unsubscribe(self, frame: bytes, packet: Unsubscribe) -> Event:
        kept = dict(self.filters)
        gone = bytes(0 if kept.pop(name, None) is not None else _NO_ID for name in packet.filters)
        self.filters = tuple(kept.items())
        return self._reply(frame, Unsuback(packet.packet_id, gone))

    def _disconnect(self, frame: bytes, packet: Disconnect) -> Event:
        expiry_s = packet.properties.get("session_expiry_interval")
        if expiry_s is not None:
            if expiry_s and not self.expiry_s:
                return self._refuse(frame, "protocol", "An expiry of 0 cannot be raised any more.")
            self.expiry_s = min(expiry_s, MQTT_SESSION_EXPIRY_S_MAX)
        if packet.reason != _WITH_WILL:
            self.will = None
        self.state = CLOSED
        return events.LoggedOut(frame=frame, session=self, reason=packet.reason)

    def _reply(self, frame: bytes, packet: Packet) -> Event:
        data = write_packet(packet, self.version)
        return events.Replied(frame=frame, session=self, data=data)

    def _refuse(self, frame: bytes, code: str, reason: str) -> Event:
        return events.Refused(frame=frame, session=self, code=code, reason=reason)


def goodbye(session: Session, code: str) -> bytes:
    """What is said before a connection is closed for one of our codes: CONNACK before the login,
    DISCONNECT after it. MQTT 3.1.1 closes without a word after its login."""
    reason = reason_of(code)
    if session.state in (NEW, WAITING):
        session.state = CLOSED
        if not session.version:
            return write_packet(Connack(1), V3) if code == "version" else b""
        return write_packet(Connack(connect_code(reason, session.version)), session.version)
    connected, session.state = session.state == CONNECTED, CLOSED
    if session.version != V5 or not connected:
        return b""
    return write_packet(Disconnect(reason), V5)


def identity_of(packet: Connect) -> str:
    """The VIN a CONNECT claims: its username, or its client identifier up to a ``/``."""
    if packet.username:
        return packet.username
    return packet.client_id.partition("/")[0]


def _bearer_of(packet: Connect) -> str:
    """Over what the vehicle says it is connected: the user property ``bearer``, or what follows the
    last ``/`` of its client identifier; empty where it is none we know."""
    told = dict(packet.properties.get("user_property", ())).get("bearer")
    word = told or packet.client_id.rpartition("/")[2]
    return word if word in _BEARERS else ""
