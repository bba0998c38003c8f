"""Signed datagrams of at most 50 bytes with the compact profile: 3GPP NTN and other thin bearers.

In: datagrams (UDP, or any other way that carries 50 bytes) of devices that need no connection and
no login. Out: batches, acknowledgements of what is on disk, signed commands. A datagram::

    0    1  4D
    1    8  device, shown and registered as 16 hexadecimal digits
    9    n  body: C1 report, C2 answer (``wire/compact``), D1 command, A1 acknowledgement
    9+n  8  signature: the first 8 bytes of HMAC-SHA-256 over all before it, under the device's key

An acknowledgement's body is ``A1 | result u8 | number u16``: 0 stored or 1 refused for good, and
the sequence of the report or the number of the command answered. Its signature is bytes 8 to 15 of
the HMAC of the datagram it acknowledges, which only the key's owners know.
``docs/protocols/satellite.md`` says why, and has a client.
"""

from __future__ import annotations

from typing import Final

from motorcade.protocols.compact.answers import answer, flags_for
from motorcade.protocols.compact.decode import SIGNALS, decode
from motorcade.protocols.compact.describe import describe, settings_of
from motorcade.protocols.compact.downlink import COMMANDS, answers, encode_command
from motorcade.protocols.compact.framing import cut, frame_length, is_login, is_record, vins
from motorcade.protocols.compact.session import Session
from motorcade.protocols.compact.signing import encode, proof_of, seal, verify

__all__ = [
    "COMMANDS",
    "DATAGRAMS",
    "DEFAULT_PORT",
    "IDENTITY",
    "NAME",
    "RELAY",
    "SIGNALS",
    "Session",
    "answer",
    "answers",
    "cut",
    "decode",
    "describe",
    "encode",
    "encode_command",
    "flags_for",
    "frame_length",
    "is_login",
    "is_record",
    "proof_of",
    "seal",
    "settings_of",
    "verify",
    "vins",
]

NAME: Final = "compact"
DEFAULT_PORT: Final = 10850
"""Nobody's by custom, and next to DirectIP's 10800."""
IDENTITY: Final = "device"
RELAY: Final = True
DATAGRAMS: Final = True
