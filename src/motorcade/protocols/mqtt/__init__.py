"""MQTT 3.1.1 and 5.0 as a vehicle protocol: no broker, a vehicle talks to the platform alone.

In: bytes of vehicles. Out: batches of readings, logins and logouts, acknowledgements, commands.
``docs/protocols/mqtt.md`` says how a vehicle connects and what it may send.

The way of a packet: ``framing`` cuts streams, ``hearing`` makes publishes independent of their
session (``session`` holds the conversation, ``events`` are its questions), ``decode`` turns
payloads into columns, ``answers`` builds the acknowledgements, ``commands`` goes the other way.
``packets`` reads and writes every packet of both versions, also for the bridge to brokers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from motorcade.protocols.mqtt.answers import answer, flags_for
from motorcade.protocols.mqtt.bulk import encode_reports, publish_all
from motorcade.protocols.mqtt.commands import COMMANDS, encode_command
from motorcade.protocols.mqtt.decode import decode
from motorcade.protocols.mqtt.describe import describe
from motorcade.protocols.mqtt.encode import (
    encode,
    encode_connect,
    encode_disconnect,
    encode_pingreq,
    encode_puback,
    encode_publish,
    encode_subscribe,
    seal,
)
from motorcade.protocols.mqtt.framing import cut, frame_length
from motorcade.protocols.mqtt.hearing import hear
from motorcade.protocols.mqtt.rows import inner, is_login, is_record, payload, vins
from motorcade.protocols.mqtt.session import Session, goodbye
from motorcade.protocols.mqtt.words import FATAL

__all__ = [
    "COMMANDS",
    "DEFAULT_PORT",
    "FATAL",
    "IDENTITY",
    "NAME",
    "RESENDS_ON_RECONNECT",
    "SIGNALS",
    "STATEFUL",
    "Session",
    "answer",
    "cut",
    "decode",
    "describe",
    "encode",
    "encode_command",
    "encode_connect",
    "encode_disconnect",
    "encode_pingreq",
    "encode_puback",
    "encode_publish",
    "encode_reports",
    "encode_subscribe",
    "flags_for",
    "frame_length",
    "goodbye",
    "hear",
    "inner",
    "is_login",
    "is_record",
    "payload",
    "publish_all",
    "seal",
    "vins",
]

NAME: Final = "mqtt"
DEFAULT_PORT: Final = 1883
IDENTITY: Final = "vin"
STATEFUL: Final = True
RESENDS_ON_RECONNECT: Final = True
"""What was not acknowledged is sent again by the client once it has connected anew (section 4.4),
so a peer whose frames could not be stored is closed."""

SIGNALS: Final[Mapping[str, object]] = {}
"""No signal has a place of its own here: a vehicle may report every one of the catalogue by its
path."""
