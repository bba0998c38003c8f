"""GB/T 32960.3, remote monitoring of electric vehicles, editions 2016 (``##``) and 2025 (``$$``).

In: bytes of terminals and enterprise platforms. Out: batches of reports, logins and logouts, and
answers. ``docs/protocols/gbt32960.md`` says what was decided where the standard leaves room.

The way of a frame: ``framing`` cuts streams, ``session`` holds the conversation (``events`` are its
questions), ``decode`` turns data units into columns (``walk`` finds the items, ``columns`` reads
them by the tables of ``tables_2016`` and ``tables_2025`` as ``plan`` compiles them), ``answers``
builds the replies. ``downlink`` is the way back: commands for a terminal, and what it says to them.
"""

from __future__ import annotations

from typing import Final

from motorcade.protocols.gbt32960.answers import answer, answer_one, flags_for
from motorcade.protocols.gbt32960.bulk import encode_reports, vin_bytes
from motorcade.protocols.gbt32960.decode import decode
from motorcade.protocols.gbt32960.describe import describe, frame_length, settings_of
from motorcade.protocols.gbt32960.downlink import COMMANDS, encode_command, remembered
from motorcade.protocols.gbt32960.encode import encode, seal
from motorcade.protocols.gbt32960.framing import cut
from motorcade.protocols.gbt32960.rows import commands, is_login, is_record, vins
from motorcade.protocols.gbt32960.session import Session
from motorcade.protocols.gbt32960.settings import CustomField, CustomTable, TenantSettings
from motorcade.protocols.gbt32960.sources import SIGNALS

__all__ = [
    "NAME",
    "DEFAULT_PORT",
    "SIGNALS",
    "COMMANDS",
    "CustomField",
    "CustomTable",
    "Session",
    "TenantSettings",
    "answer",
    "answer_one",
    "commands",
    "cut",
    "decode",
    "describe",
    "encode",
    "encode_command",
    "encode_reports",
    "flags_for",
    "frame_length",
    "is_login",
    "is_record",
    "remembered",
    "seal",
    "settings_of",
    "vin_bytes",
    "vins",
]

NAME: Final = "gbt32960"
DEFAULT_PORT: Final = 32960
