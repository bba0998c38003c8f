"""Bodies of messages as facts, one message at a time, by the tables of ``bodies_table``.

Nothing here raises: what a body does not hold is left out, what it holds beyond its table is
``rest``, and ``short`` says that it ended early.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from motorcade.errors import MessageError
from motorcade.protocols.jt808.bodies_table import BODIES, BODIES_2019, OTHER_BODIES
from motorcade.protocols.jt808.parameters import read_parameters
from motorcade.protocols.jt808.reader import Reader, text_of
from motorcade.protocols.jt808.registration import read_auth, read_registration
from motorcade.protocols.jt808.words import AUTH, REGISTER
from motorcade.signals.text import iso_time

__all__ = ["read_location", "read_message"]

_ITEMS_MAX: Final = 4096
"""Elements of one list: a body of 1,023 bytes holds fewer, one of joined sub-packages may claim
more."""


def read_message(message: int, body: bytes, edition: int) -> dict[str, Any]:
    """Facts of a body; times as ISO 8601. Empty where the message has no table."""
    if message == AUTH:
        return read_auth(body, edition)
    if message == REGISTER:
        try:
            return read_registration(body, edition)
        except MessageError:
            return {"short": True}
    parts = BODIES.get(message)
    if edition == 2019:
        parts = BODIES_2019.get(message, parts)
    if parts is None:
        return {"data": body.hex()} if body else {}
    facts = _filled(body, parts)
    if "rest" in facts or "short" in facts:
        for other in OTHER_BODIES.get(message, ()):
            found = _filled(body, other)
            if "rest" not in found and "short" not in found:
                return found
    return facts


def _filled(body: bytes, parts: tuple[Any, ...]) -> dict[str, Any]:
    """Facts by one layout, and whether it fits."""
    reader = Reader(body)
    facts: dict[str, Any] = {}
    try:
        _read(reader, parts, facts)
    except MessageError:
        facts["short"] = True
    if reader.left():
        facts["rest"] = reader.rest().hex()
    return facts


def read_location(data: bytes) -> dict[str, Any]:
    """The basic 28 bytes of a location, for messages that hold one beside other things."""
    reader = Reader(data)
    alarms, status = reader.number(4), reader.number(4)
    latitude, longitude = reader.number(4) / 1e6, reader.number(4) / 1e6
    facts: dict[str, Any] = {
        "alarms": alarms,
        "status": status,
        "latitude": -latitude if status & 4 else latitude,
        "longitude": -longitude if status & 8 else longitude,
        "altitude_m": reader.number(2),
        "speed_kmh": reader.number(2) / 10,
        "heading_degrees": reader.number(2),
    }
    return {**facts, "time": _time(reader.take(6))}


def _read(reader: Reader, parts: tuple[Any, ...], facts: dict[str, Any]) -> None:
    for part in parts:
        if isinstance(part, tuple):
            name, count, inner = part
            facts[name] = _list(reader, count, inner)
            continue
        words = part.split(" ")
        if len(words) > 2 and not _holds(words[3], facts):
            continue
        facts[words[0]] = _value(reader, words[1])


def _list(reader: Reader, count: str, parts: tuple[Any, ...]) -> list[Any]:
    many = _ITEMS_MAX
    if count != "*":
        # 0x8800 ends before the count where nothing is missing.
        many = reader.number(int(count[1:])) if reader.left() else 0
    found: list[Any] = []
    while len(found) < min(many, _ITEMS_MAX) and reader.left():
        one: dict[str, Any] = {}
        _read(reader, parts, one)
        found.append(next(iter(one.values())) if len(parts) == 1 else one)
    return found


def _holds(condition: str, facts: Mapping[str, Any]) -> bool:
    name, _, bit = condition.partition("&")
    value = int(facts.get(name) or 0)
    return bool(value & int(bit)) if bit else bool(value)


def _value(reader: Reader, kind: str) -> Any:
    if kind[0] == "u":
        return reader.number(int(kind[1:]))
    if kind[0] == "d":
        return reader.number(4) / 1e6
    if kind == "time":
        return _time(reader.take(6))
    if kind == "hms5":
        return reader.take(5).hex()
    if kind == "location":
        return read_location(reader.take(28))
    if kind == "parameters":
        return read_parameters(reader)
    if kind.startswith("bcd"):
        return reader.take(int(kind[3:])).hex()
    form, size = (kind[:4], kind[4:]) if kind.startswith("text") else (kind[:3], kind[3:])
    data = _bytes(reader, size)
    return text_of(data.lstrip(b"\0")) if form == "text" else data.hex()


def _bytes(reader: Reader, size: str) -> bytes:
    if size == "*":
        return reader.rest()
    if size[0] == ":":
        return reader.take(reader.number(int(size[2:])))
    return reader.take(int(size))


def _time(data: bytes) -> str | None:
    """ISO 8601; the digits as they are where they are no time."""
    reader = Reader(data)
    moment = reader.time()
    return data.hex() if moment is None else iso_time(moment)
