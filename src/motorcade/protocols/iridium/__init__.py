"""Iridium Short Burst Data by DirectIP: messages of satellite modems, and messages to them.

In: what Iridium's gateway delivers over TCP (it is the client), each message with its modem's IMEI.
Out: batches of reports and confirmations; messages for modems. ``docs/protocols/satellite.md``.

``elements`` is the table of what messages hold, ``framing`` cuts streams, ``decode`` makes reports
(the payload by ``wire/compact``), ``answers`` confirms, ``session`` is one connection,
``downlink`` is the other direction: messages for modems, and answers to commands.
"""

from __future__ import annotations

from typing import Final

from motorcade.protocols.iridium.answers import answer, flags_for
from motorcade.protocols.iridium.decode import SIGNALS, decode
from motorcade.protocols.iridium.describe import describe
from motorcade.protocols.iridium.downlink import (
    COMMANDS,
    MtConfirmation,
    MtSession,
    answers,
    encode_command,
    encode_mt,
    read_mt_confirmation,
)
from motorcade.protocols.iridium.elements import Location, MoHeader, encode, encode_mo
from motorcade.protocols.iridium.framing import (
    cut,
    frame_length,
    is_login,
    is_record,
    seal,
    vins,
)
from motorcade.protocols.iridium.session import Session

__all__ = [
    "COMMANDS",
    "DEFAULT_PORT",
    "IDENTITY",
    "NAME",
    "RELAY",
    "SIGNALS",
    "Location",
    "MoHeader",
    "MtConfirmation",
    "MtSession",
    "Session",
    "answer",
    "answers",
    "cut",
    "decode",
    "describe",
    "encode",
    "encode_command",
    "encode_mo",
    "encode_mt",
    "flags_for",
    "frame_length",
    "is_login",
    "is_record",
    "read_mt_confirmation",
    "seal",
    "vins",
]

NAME: Final = "iridium"
DEFAULT_PORT: Final = 10800
IDENTITY: Final = "imei"
RELAY: Final = True
