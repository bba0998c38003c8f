"""The topics of a vehicle, and nothing else: it publishes to ``v/<vin>/up/<channel>`` and
subscribes to ``v/<vin>/down/…``.

Channels: ``json``, ``cbor``, ``telemetry`` or any other word carry readings (the content tells the
format), ``answer`` answers to commands, and the name of another protocol its frames.
"""

from __future__ import annotations

import re
from typing import Final

from motorcade.limits import MQTT_FILTER_BYTES_MAX

__all__ = ["ANSWER", "COMMAND", "covers_commands", "down", "filter_fault", "is_channel", "up"]

ANSWER: Final = "answer"
"""The channel a vehicle answers commands on."""

COMMAND: Final = "command"
"""What commands are published to below ``v/<vin>/down/``."""

_CHANNEL: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_COVERING: Final = frozenset({"#", "+", COMMAND, f"{COMMAND}/#", "+/#"})


def up(vin: str) -> bytes:
    """What every topic a vehicle may publish to begins with."""
    return f"v/{vin}/up/".encode()


def down(vin: str) -> str:
    """What every filter a vehicle may subscribe to begins with."""
    return f"v/{vin}/down/"


def is_channel(name: bytes) -> bool:
    """Whether a channel may be called so: 1 to 64 letters, digits, ``_``, ``.`` and ``-``."""
    return _CHANNEL.match(name) is not None


def filter_fault(name: str, vin: str) -> str:
    """Why a filter is refused (a code of ``REASONS``); empty where it is granted."""
    if name.startswith("$share/"):
        return "shared"
    levels = name.split("/")
    for place, level in enumerate(levels):
        if ("#" in level and (level != "#" or place < len(levels) - 1)) or (
            "+" in level and level != "+"
        ):
            return "filter"
    start = down(vin)
    if not name.startswith(start) or len(name) == len(start):
        return "not_authorized"
    return "quota" if len(name.encode()) > MQTT_FILTER_BYTES_MAX else ""


def covers_commands(name: str, vin: str) -> bool:
    """Whether a granted filter matches the topic of commands."""
    return name.removeprefix(down(vin)) in _COVERING
