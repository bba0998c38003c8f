"""JT/T 808, terminals of commercial vehicles, editions 2011, 2013 and 2019.

In: bytes of terminals. Out: batches of reports, events, media, logins and logouts, and answers.
``docs/protocols/jt808.md`` says what was decided where the standard leaves room.

The way of a frame: ``framing`` cuts streams, ``session`` holds the conversation (``events`` are its
questions), ``decode`` turns messages into columns (``bodies`` finds locations, ``walk`` their
items, ``columns`` reads them by the tables as ``plan`` compiles them), ``answers`` builds replies.
"""

from __future__ import annotations

from typing import Final

from motorcade.protocols.jt808.answers import answer, answer_one, flags_for
from motorcade.protocols.jt808.attachments import (
    Piece,
    attachment_number,
    attachment_request,
    join_file,
)
from motorcade.protocols.jt808.bulk import encode_reports, phone_bytes
from motorcade.protocols.jt808.commands import COMMANDS, encode_command
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.describe import describe
from motorcade.protocols.jt808.encode import encode, seal
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.hear import hear
from motorcade.protocols.jt808.packets import packet
from motorcade.protocols.jt808.pieces import join_pieces
from motorcade.protocols.jt808.rows import is_login, is_record, messages, vins
from motorcade.protocols.jt808.session import Session
from motorcade.protocols.jt808.sources import SIGNALS
from motorcade.protocols.jt808.uplink import (
    auth_body,
    batch_body,
    can_body,
    driver_body,
    media_body,
    registration_body,
)

__all__ = [
    "COMMANDS",
    "DATAGRAMS",
    "DEFAULT_PORT",
    "IDENTITY",
    "NAME",
    "SIGNALS",
    "STATEFUL",
    "Piece",
    "Session",
    "answer",
    "answer_one",
    "attachment_number",
    "attachment_request",
    "auth_body",
    "batch_body",
    "can_body",
    "cut",
    "decode",
    "describe",
    "driver_body",
    "encode",
    "encode_command",
    "encode_reports",
    "flags_for",
    "hear",
    "is_login",
    "is_record",
    "join_file",
    "join_pieces",
    "media_body",
    "messages",
    "packet",
    "phone_bytes",
    "registration_body",
    "seal",
    "vins",
]

NAME: Final = "jt808"
DEFAULT_PORT: Final = 10808
"""Neither IANA nor the standard names one; 808 is below 1024 and taken by other services."""

IDENTITY: Final = "phone"
STATEFUL: Final = True
DATAGRAMS: Final = True
