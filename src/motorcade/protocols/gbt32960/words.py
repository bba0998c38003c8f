"""The standard's words: commands, answer flags, ciphers, and when which flag says what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "COMMANDS",
    "LOGIN",
    "REALTIME",
    "REISSUE",
    "LOGOUT",
    "PLATFORM_LOGIN",
    "PLATFORM_LOGOUT",
    "HEARTBEAT",
    "TIME_SYNC",
    "ACTIVATION",
    "ACTIVATION_ANSWER",
    "KEY_EXCHANGE",
    "QUERY",
    "SET",
    "CONTROL",
    "RECORDS",
    "TIMED",
    "OK",
    "ERROR",
    "COMMAND",
    "PLAIN",
    "AES128",
    "CIPHERS",
    "STARTS",
    "edition_of",
    "command_name",
    "flag_of",
]

LOGIN: Final = 0x01
REALTIME: Final = 0x02
REISSUE: Final = 0x03
LOGOUT: Final = 0x04
PLATFORM_LOGIN: Final = 0x05
PLATFORM_LOGOUT: Final = 0x06
HEARTBEAT: Final = 0x07
TIME_SYNC: Final = 0x08
ACTIVATION: Final = 0x09
ACTIVATION_ANSWER: Final = 0x0A
KEY_EXCHANGE: Final = 0x0B
QUERY: Final = 0x80
SET: Final = 0x81
CONTROL: Final = 0x82

COMMANDS: Final[Mapping[int, str]] = {
    LOGIN: "vehicle login",
    REALTIME: "real-time report",
    REISSUE: "re-issued report",
    LOGOUT: "vehicle logout",
    PLATFORM_LOGIN: "platform login",
    PLATFORM_LOGOUT: "platform logout",
    HEARTBEAT: "heartbeat",
    TIME_SYNC: "time sync",
    ACTIVATION: "activation",
    ACTIVATION_ANSWER: "activation answer",
    KEY_EXCHANGE: "key exchange",
    QUERY: "parameter query",
    SET: "parameter setting",
    CONTROL: "terminal control",
}
"""Table 3 (2016), with what 2025 adds."""

RECORDS: Final = (REALTIME, REISSUE)
TIMED: Final = (1, 2, 3, 4, 5, 6, 9, 0x80, 0x81, 0x82)
"""Commands whose data unit begins with a time."""

OK: Final = 0x01
ERROR: Final = 0x02
COMMAND: Final = 0xFE

PLAIN: Final = 0x01
AES128: Final = 0x03
CIPHERS: Final[Mapping[int, str]] = {
    0x01: "none",
    0x02: "RSA",
    0x03: "AES-128",
    0x04: "SM2",
    0x05: "SM4",
    0xFE: "abnormal",
    0xFF: "invalid",
}

STARTS: Final[Mapping[int, bytes]] = {2016: b"##", 2025: b"$$"}

_FLAGS_2025: Final[Mapping[str, int]] = {
    "duplicate": 0x03,
    "unknown_vin": 0x04,
    "signature": 0x05,
    "structure": 0x06,
    "time": 0x06,
    "cipher": 0x07,
}


def edition_of(frame: bytes) -> int:
    """2016 or 2025, by the start bytes."""
    return 2025 if frame[:1] == b"$" else 2016


def command_name(command: int) -> str:
    """What the standard calls a command; ``unknown`` and ``custom`` for the others."""
    return COMMANDS.get(command, "custom" if 0xC0 <= command <= 0xFE else "unknown")


def flag_of(code: str, edition: int) -> int:
    """The answer flag that refuses for a reason (a ``Reject.code``): 2016 knows 02 error and 03 VIN
    duplicate; 2025 adds 04 VIN unknown, 05 signature, 06 structure, 07 decryption."""
    if edition == 2025:
        return _FLAGS_2025.get(code, ERROR)
    return 0x03 if code == "duplicate" else ERROR
