"""Who a terminal says it is: registration (0x0100) and authentication (0x0102) in three editions.

The edition of a registration is told by its length where the header says 2011 or 2013: the model
has 8 bytes in 2011, 20 in 2013; makers send bodies that are shorter than either.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from motorcade.errors import MessageError
from motorcade.protocols.jt808.reader import Reader, text_of

__all__ = ["read_auth", "read_registration", "terminal_of"]


def read_registration(body: bytes, edition: int) -> dict[str, Any]:
    """Facts of 0x0100: ``province``, ``city``, ``maker``, ``model``, ``terminal``, ``colour``,
    ``plate`` or ``vin``. ``MessageError`` where not even the province and city are there."""
    if len(body) < 4:
        raise MessageError(f"a registration has at least 4 bytes, not {len(body)}")
    reader = Reader(body)
    facts: dict[str, Any] = {"province": reader.number(2), "city": reader.number(2)}
    maker, model, terminal = _widths(len(body), edition)
    facts["maker"] = text_of(_some(reader, maker))
    facts["model"] = text_of(_some(reader, model).lstrip(b"\0"))
    facts["terminal"] = text_of(_some(reader, terminal).lstrip(b"\0"))
    facts["colour"] = (_some(reader, 1) or b"\0")[0]
    name = text_of(reader.rest())
    facts["plate"] = name if facts["colour"] else ""
    facts["vin"] = "" if facts["colour"] else name
    return facts


def terminal_of(body: bytes, edition: int) -> str:
    """Which terminal sends this 0x0100: its maker's id and its own, ``70111/A000042``, as its bytes
    are but for the zeros and blanks that fill them up; what is no letter, digit or ``_.-~`` as
    ``%XX``, so that no two terminals read the same."""
    reader = Reader(body, 4)
    maker, model, terminal = _widths(len(body), edition)
    made = _some(reader, maker)
    _some(reader, model)
    return "/".join(quote(one.strip(b"\0 "), safe="") for one in (made, _some(reader, terminal)))


def read_auth(body: bytes, edition: int) -> dict[str, Any]:
    """Facts of 0x0102: ``code`` and, in 2019, ``imei`` and ``software``. A body that does not hold
    what 2019 wants is read as one of 2013: all of it is the code."""
    if edition == 2019 and body and len(body) >= 1 + body[0]:
        reader = Reader(body, 1)
        facts = {"code": text_of(reader.take(body[0]))}
        facts["imei"] = text_of(_some(reader, 15))
        facts["software"] = text_of(_some(reader, 20))
        return facts
    return {"code": text_of(body)}


def _widths(size: int, edition: int) -> tuple[int, int, int]:
    """Bytes of maker, model and terminal."""
    if edition == 2019 and size >= 76:
        return 11, 30, 30
    return (5, 20, 7) if size >= 37 else (5, 8, 7)


def _some(reader: Reader, size: int) -> bytes:
    """As many of these bytes as there are."""
    return reader.take(min(size, reader.left()))
