"""The data units that are not reports, one message at a time: logins, logouts, keys, parameters,
controls.

Each reader takes a plain data unit and gives a dict of facts (times in µs UTC); ``MessageError``
where the unit does not hold what its table says. Sections: 7.1, 7.3 to 7.5 and annex B (2016); 7.6
and B.3.5 (2025).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from motorcade.errors import MessageError
from motorcade.protocols.gbt32960.times import read_time
from motorcade.protocols.gbt32960.words import (
    ACTIVATION,
    ACTIVATION_ANSWER,
    CONTROL,
    KEY_EXCHANGE,
    LOGIN,
    LOGOUT,
    PLATFORM_LOGIN,
    PLATFORM_LOGOUT,
    QUERY,
    SET,
)

__all__ = ["read_message", "text_of", "PARAMETERS", "CONTROLS"]

_ACTIVATION_INFO: Final = {1: "activated", 2: "chip already bound", 3: "VIN duplicate"}
_SIGNERS: Final = {1: "SM2", 2: "RSA", 3: "ECC"}

PARAMETERS: Final[Mapping[int, tuple[str, int, int]]] = {
    0x01: ("local_store_period_ms", 2, 2),
    0x02: ("report_period_s", 2, 1),
    0x03: ("alarm_report_period_ms", 2, 1),
    0x04: ("management_platform_length", 1, 1),
    0x05: ("management_platform", 0, 0),
    0x06: ("management_platform_port", 2, 2),
    0x07: ("hardware_version", -5, -5),
    0x08: ("firmware_version", -5, -5),
    0x09: ("heartbeat_period_s", 1, 1),
    0x0A: ("terminal_answer_timeout_s", 2, 2),
    0x0B: ("platform_answer_timeout_s", 2, 2),
    0x0C: ("login_retry_min", 1, 1),
    0x0D: ("public_platform_length", 1, 1),
    0x0E: ("public_platform", 0, 0),
    0x0F: ("public_platform_port", 2, 2),
    0x10: ("sampling_check", 1, 1),
}
"""Parameter id: name, bytes in 2016, bytes in 2025 (negative: text; 0: text as long as the
parameter before)."""

CONTROLS: Final[Mapping[int, str]] = {
    1: "remote upgrade",
    2: "power off",
    3: "reset",
    4: "factory settings",
    5: "disconnect",
    6: "alarm",
    7: "start sampling",
}


def read_message(command: int, unit: bytes, edition: int, answered: bool = False) -> dict[str, Any]:
    """Facts of a data unit. ``answered``: the frame is an answer, so only the time has to be
    there."""
    if answered and command != QUERY:
        return {"time": _time(unit)} if len(unit) >= 6 else {}
    reader = _READERS.get(command)
    return reader(_Reader(unit), edition) if reader else {}


def text_of(data: bytes) -> str:
    """ASCII without the fill of NULs and blanks around it."""
    return data.decode("ascii", "replace").strip("\0 ")


class _Reader:
    """A data unit read from front to back."""

    def __init__(self, unit: bytes) -> None:
        self.unit = unit
        self.at = 0

    def take(self, size: int) -> bytes:
        data = self.unit[self.at : self.at + size]
        if len(data) < size:
            raise MessageError(
                f"the data unit ends after {len(self.unit)} bytes, {size} wanted at {self.at}"
            )
        self.at += size
        return data

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self, size: int) -> str:
        return text_of(self.take(size))

    def left(self) -> int:
        return len(self.unit) - self.at

    def rest(self) -> bytes:
        return self.take(self.left())

    def time(self) -> int:
        return _time(self.take(6))


def _time(data: bytes) -> int:
    us = read_time(data)
    if us is None:
        raise MessageError(f"{data[:6].hex()} is no time", kind="time")
    return us


def _login(reader: _Reader, edition: int) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "time": reader.time(),
        "sequence": reader.number(2),
        "iccid": reader.text(20),
    }
    body = reader.rest()
    readings = (_packs_2025, _packs_2016) if edition == 2025 else (_packs_2016,)
    for reading in readings:
        found = reading(body)
        if found is not None:
            return {**facts, **found}
    raise MessageError("the battery codes of the login do not fill what their counts say")


def _packs_2016(body: bytes) -> dict[str, Any] | None:
    """n subsystems of codes m long. Nothing at all is taken for none; bytes behind are kept."""
    if len(body) < 2:
        return {"subsystems": 0, "codes": [], "rest": body.hex()} if not body else None
    count, width = body[0], body[1]
    end = 2 + count * width
    if len(body) < end:
        return None
    codes = [text_of(body[at : at + width]) for at in range(2, end, width)] if width else []
    facts = {"subsystems": count, "codes": codes, "layout": "2016"}
    return facts if len(body) == end else {**facts, "rest": body[end:].hex()}


def _packs_2025(body: bytes) -> dict[str, Any] | None:
    """n management systems, the packs of each, a 24-character code a pack."""
    count = body[0] if body else 0
    packs = list(body[1 : 1 + count])
    if len(packs) != count or len(body) != 1 + count + 24 * sum(packs):
        return None if body else {"subsystems": 0, "packs": [], "codes": [], "layout": "2025"}
    codes = [text_of(body[at : at + 24]) for at in range(1 + count, len(body), 24)]
    return {"subsystems": count, "packs": packs, "codes": codes, "layout": "2025"}


def _logout(reader: _Reader, edition: int) -> dict[str, Any]:
    return {"time": reader.time(), "sequence": reader.number(2)}


def _platform_login(reader: _Reader, edition: int) -> dict[str, Any]:
    return {
        "time": reader.time(),
        "sequence": reader.number(2),
        "user": reader.text(12),
        "password": reader.text(20),
        "encryption": reader.number(1),
    }


def _activation(reader: _Reader, edition: int) -> dict[str, Any]:
    return {
        "time": reader.time(),
        "chip": text_of(reader.take(16)),
        "public_key": reader.take(reader.number(2)).hex(),
        "vin": reader.text(17),
        "signature": _signature(reader),
    }


def _signature(reader: _Reader) -> dict[str, Any]:
    kind = reader.number(1)
    return {
        "algorithm": _SIGNERS.get(kind, str(kind)),
        "r": reader.take(reader.number(2)).hex(),
        "s": reader.take(reader.number(2)).hex(),
    }


def _activation_answer(reader: _Reader, edition: int) -> dict[str, Any]:
    result, info = reader.number(1), reader.number(1)
    return {"accepted": result == 1, "info": _ACTIVATION_INFO.get(info, str(info))}


def _key_exchange(reader: _Reader, edition: int) -> dict[str, Any]:
    return {
        "encryption": reader.number(1),
        "key": reader.take(reader.number(2)).hex(),
        "from": reader.time(),
        "until": reader.time(),
    }


def _query(reader: _Reader, edition: int) -> dict[str, Any]:
    """The question holds ids alone; the answer ids with values."""
    facts: dict[str, Any] = {"time": reader.time()}
    count = reader.number(1)
    if reader.left() == count:
        return {**facts, "ids": list(reader.rest())}
    return {**facts, "parameters": _parameters(reader, count, edition)}


def _set(reader: _Reader, edition: int) -> dict[str, Any]:
    return {"time": reader.time(), "parameters": _parameters(reader, reader.number(1), edition)}


def _parameters(reader: _Reader, count: int, edition: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    before = 0
    for _ in range(count):
        number = reader.number(1)
        if number not in PARAMETERS:
            found[f"0x{number:02X}"] = reader.rest().hex()
            break
        name, old, new = PARAMETERS[number]
        size = new if edition == 2025 else old
        value = reader.number(size) if size > 0 else reader.text(-size or before)
        before = value if isinstance(value, int) else 0
        found[name] = value
    return found


def _control(reader: _Reader, edition: int) -> dict[str, Any]:
    facts: dict[str, Any] = {"time": reader.time()}
    number = reader.number(1)
    rest = reader.rest()
    facts["control"] = CONTROLS.get(number, f"0x{number:02X}")
    if number == 6 and rest:
        facts.update(level=rest[0], text=rest[1:].decode("gb18030", "replace"))
    elif rest:
        facts["parameters"] = rest.hex()
    return facts


_READERS: Final[Mapping[int, Callable[[_Reader, int], dict[str, Any]]]] = {
    LOGIN: _login,
    LOGOUT: _logout,
    PLATFORM_LOGIN: _platform_login,
    PLATFORM_LOGOUT: _logout,
    ACTIVATION: _activation,
    ACTIVATION_ANSWER: _activation_answer,
    KEY_EXCHANGE: _key_exchange,
    QUERY: _query,
    SET: _set,
    CONTROL: _control,
}
