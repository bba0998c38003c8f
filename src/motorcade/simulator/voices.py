"""Which car of a load speaks what, and what it needs to know for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from motorcade.errors import Invalid
from motorcade.simulator.fleet import CarFleet
from motorcade.simulator.speech import Heard, Rows, Sends, Speech
from motorcade.simulator.speech.gbt32960 import Gbt32960Speech
from motorcade.simulator.speech.jt808 import Jt808Speech
from motorcade.simulator.speech.mqtt import MqttSpeech
from motorcade.simulator.speech.satellite import CompactSpeech, IridiumSpeech

__all__ = ["MIX", "PROTOCOLS", "Voice", "protocols_of", "speakers", "speech_of"]

PROTOCOLS: Final = ("gbt32960", "jt808", "mqtt", "iridium", "compact")
"""What a connection may speak, by place."""

MIX: Final = {"gbt32960": 60, "jt808": 25, "mqtt": 15}
"""Of a hundred cars of a mixed fleet, how many speak what."""

_STRIDE: Final = 37
"""Prime to 100: neighbours among cars speak differently."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How the cars of a process speak. ``protocol``: one of ``PROTOCOLS`` or ``mixed``;
    ``addresses`` of each protocol's door; ``first``: the first car's number in the whole fleet;
    ``accounts`` (user and password a tenant) where GB/T 32960 connections are platform links;
    ``secrets`` by VIN: tokens (MQTT) or keys in hexadecimal digits (compact) of the cars that need
    one."""

    protocol: str
    addresses: Mapping[str, tuple[str, int]]
    first: int = 0
    accounts: Sequence[tuple[str, str]] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    frames_per_send: int = 1
    reissued: bool = False


def protocols_of(protocol: str) -> tuple[str, ...]:
    """What cars of a load speak; ``Invalid`` for a word nobody knows."""
    if protocol == "mixed":
        return tuple(MIX)
    if protocol == "satellite":
        return ("iridium",)
    if protocol not in PROTOCOLS:
        raise Invalid(f"protocol is {', '.join(PROTOCOLS)}, satellite or mixed, not {protocol!r}")
    return (protocol,)


def speakers(protocol: str, cars: Rows) -> Rows:
    """What each of the cars (their numbers in the whole fleet) speaks: its place in
    ``PROTOCOLS``."""
    if protocol != "mixed":
        return np.full(len(cars), PROTOCOLS.index(protocol))
    edges = np.cumsum(list(MIX.values()))
    return np.asarray(np.searchsorted(edges, cars * _STRIDE % 100, side="right"))


def speech_of(voice: Voice, fleet: CarFleet) -> Speech:
    """How the connections of ``fleet`` speak."""
    if voice.protocol != "mixed":
        return _one(voice, voice.protocol, fleet)
    of = speakers("mixed", voice.first + fleet.starts[:-1])
    return _Mixed({place: _one(voice, PROTOCOLS[place], fleet) for place in set(of.tolist())}, of)


def _one(voice: Voice, protocol: str, fleet: CarFleet) -> Speech:
    address, many = voice.addresses[protocol], voice.frames_per_send
    if protocol == "gbt32960":
        return Gbt32960Speech(
            fleet,
            address,
            accounts=voice.accounts,
            frames_per_send=many,
            reissued=voice.reissued,
        )
    if protocol == "jt808":
        return Jt808Speech(fleet, address, frames_per_send=many, reissued=voice.reissued)
    if protocol == "mqtt":
        return MqttSpeech(
            fleet, address, voice.secrets, frames_per_send=many, reissued=voice.reissued
        )
    if protocol == "iridium":
        return IridiumSpeech(fleet, address, frames_per_send=many)
    return CompactSpeech(fleet, address, voice.secrets)


class _Mixed:
    """Connections that speak differently: each by its own speech."""

    def __init__(self, speeches: Mapping[int, Speech], of: Rows) -> None:
        self._speeches = speeches
        self._of = of
        self._by_connection = [speeches[place] for place in of.tolist()]

    @property
    def commands(self) -> int:
        """Commands obeyed."""
        return sum(speech.commands for speech in self._speeches.values())

    @property
    def repeated(self) -> int:
        """Commands heard again and not obeyed twice."""
        return sum(speech.repeated for speech in self._speeches.values())

    def address(self, connection: int) -> tuple[str, int, bool]:
        """Host, port, and whether it is UDP."""
        return self._by_connection[connection].address(connection)

    def hello(self, connection: int) -> bytes:
        """The first bytes of a fresh connection."""
        return self._by_connection[connection].hello(connection)

    def hear(self, connection: int, data: bytes, *, greeted: bool) -> Heard:
        """What the platform's bytes mean."""
        return self._by_connection[connection].hear(connection, data, greeted=greeted)

    def hop(self, connection: int) -> bool:
        """Change to another access network."""
        return self._by_connection[connection].hop(connection)

    def encode(self, sends: Sends) -> list[bytes]:
        """The bytes of every send, all of one speech at once."""
        made: list[bytes] = [b""] * len(sends.car)
        of = self._of[sends.connection]
        for place, speech in self._speeches.items():
            rows = np.flatnonzero(of == place)
            for row, data in zip(rows.tolist(), speech.encode(sends.take(rows)), strict=True):
                made[row] = data
        return made
