"""GB/T 32960.3, remote monitoring of electric vehicles, editions 2016 and 2025."""

from __future__ import annotations

from motorcade.protocols.gbt32960.answers import answer, answer_one, flags_for
from motorcade.protocols.gbt32960.decode import decode
from motorcade.protocols.gbt32960.framing import cut, resync
from motorcade.protocols.gbt32960.rows import commands, is_record, vins
from motorcade.protocols.gbt32960.session import Session
from motorcade.protocols.gbt32960.settings import CustomField, CustomTable, TenantSettings

__all__ = [
    "NAME",
    "DEFAULT_PORT",
    "CustomField",
    "CustomTable",
    "Session",
    "TenantSettings",
    "answer",
    "answer_one",
    "commands",
    "cut",
    "decode",
    "flags_for",
    "is_record",
    "resync",
    "vins",
]

NAME = "gbt32960"
DEFAULT_PORT = 32960
