"""Commands in GB/T 32960's words: parameters asked for and set, a terminal controlled.

In: a ``Command``. Out: a sealed frame 80, 81 or 82 (annex B.3.5 to B.3.7), and from a terminal's
answer what it says to that. The standard numbers no messages: an answer keeps the command and the
time of the data unit (section 6.3.2), so these two are the key, and the time is that of the
command's making, the same in every try.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from motorcade.errors import Invalid
from motorcade.protocols.commands import Answer, Command, Sealed
from motorcade.protocols.gbt32960.encode import control_unit, encode, query_unit, set_unit
from motorcade.protocols.gbt32960.messages import PARAMETERS
from motorcade.protocols.gbt32960.times import time6
from motorcade.protocols.gbt32960.words import CONTROL, OK, QUERY, SET, edition_of

__all__ = ["COMMANDS", "Edition", "answer_of", "encode_command", "remembered"]


class Edition(NamedTuple):
    """What a link's commands need to know of its login: 2016 or 2025."""

    edition: int


_EDITIONS: Final = {year: Edition(year) for year in (2016, 2025)}

COMMANDS: Final[Mapping[str, str]] = {
    "read_parameters": "0x80 query parameters",
    "write_parameters": "0x81 set parameters",
    "report_interval": "0x81 set parameter 0x02",
    "upgrade": "0x82 control 0x01, remote upgrade",
    "raw": "a data unit of 0x80 to 0x82 behind its time (0x82 with 02 power off, 03 reset, 04"
    " factory settings, 05 disconnect, 06 alarm, 07 start sampling), or of 0xC0 to 0xFE",
}
"""Kinds it can say, and what they become."""

_UPGRADE: Final = 0x01
_INTERVAL: Final = 0x02
_CUSTOM: Final = 0xC0
_IDS: Final = {name: number for number, (name, _, _) in PARAMETERS.items()}
_CODES: Final = {
    0x02: "refused",
    0x03: "duplicate",
    0x04: "unknown_vin",
    0x05: "signature",
    0x06: "structure",
    0x07: "cipher",
}
"""Why a terminal says no, by its answer flag (table 4)."""

_Unit = tuple[int, bytes]


def remembered(frame: bytes) -> Edition:
    """What a login's frame says of its link; shared by all links of the edition."""
    return _EDITIONS[edition_of(frame)]


def encode_command(command: Command, identity: str, session: Any) -> Sealed:
    """The frame for a terminal (or, for one of its vehicles, for an enterprise platform).
    ``identity`` is the VIN; ``session`` knows the edition, 2016 where there is none. ``Invalid``
    for what the standard cannot say."""
    maker = _MAKERS.get(command.kind)
    if maker is None:
        raise Invalid(f"GB/T 32960 has no command for {command.kind}")
    edition = getattr(session, "edition", 0) or 2016
    number, unit = maker(command.time_us, command.parameters, edition)
    data = encode(number, identity, unit, edition=edition)
    return Sealed(data, _key(number, unit[:6]))


def answer_of(frame: bytes, facts: Mapping[str, Any], time: bytes) -> Answer | None:
    """What an answer says to a command of ours; None for an answer to something else. ``time``:
    the first six bytes of its data unit, decrypted."""
    number, flag = frame[2], frame[3]
    if number not in (QUERY, SET, CONTROL) and number < _CUSTOM:
        return None
    told = {name: value for name, value in facts.items() if name != "time"}
    if flag == OK:
        return Answer(key=_key(number, time), outcome="succeeded", facts=told)
    code = _CODES.get(flag, f"flag_{flag:02x}")
    return Answer(key=_key(number, time), outcome="failed", code=code, facts=told)


def _key(number: int, time: bytes) -> str:
    """Custom commands need not begin with a time."""
    return f"32960:{number:02X}:" + ("" if number >= _CUSTOM else time.hex())


def _read(time: int, parameters: Mapping[str, Any], _: int) -> _Unit:
    ids = [_id(one) for one in parameters.get("ids", ())] or list(PARAMETERS)
    if len(ids) > 255:
        raise Invalid("ids: at most 255 parameters in one question")
    return QUERY, query_unit(time, ids)


def _write(time: int, parameters: Mapping[str, Any], edition: int) -> _Unit:
    values = {_id(name): value for name, value in parameters["values"].items()}
    for number, value in values.items():
        if isinstance(value, int) and PARAMETERS[number][1] <= 0:
            raise Invalid(f"parameter 0x{number:02X} is text")
        if isinstance(value, str) and (PARAMETERS[number][1] > 0 or not value.isascii()):
            raise Invalid(f"parameter 0x{number:02X} cannot be {value[:40]!r}")
    return SET, set_unit(time, values, edition)


def _interval(time: int, parameters: Mapping[str, Any], edition: int) -> _Unit:
    if parameters.get("sleep_interval_s"):
        raise Invalid("sleep_interval_s: GB/T 32960 has one interval alone")
    return SET, set_unit(time, {_INTERVAL: int(parameters["interval_s"])}, edition)


def _upgrade(time: int, parameters: Mapping[str, Any], _: int) -> _Unit:
    """Fields between semicolons, an absent one empty (table B.11): dialling point, user, password,
    server address (six bytes, IPv4 in the last four), port, maker's code (4), hardware (5) and
    firmware version (5), URL, minutes to connect in."""
    port, minutes = parameters.get("port", 0), parameters.get("timeout_min", 0)
    fields = [
        _ascii(parameters, "apn"),
        _ascii(parameters, "user"),
        _ascii(parameters, "password"),
        _address(str(parameters.get("address", ""))),
        int(port).to_bytes(2, "big") if port else b"",
        _sized(parameters, "manufacturer", 4),
        _sized(parameters, "hardware_version", 5),
        _sized(parameters, "version", 5),
        _ascii(parameters, "url"),
        int(minutes).to_bytes(2, "big") if minutes else b"",
    ]
    return CONTROL, control_unit(time, _UPGRADE, b";".join(fields))


def _raw(time: int, parameters: Mapping[str, Any], _: int) -> _Unit:
    if parameters.get("protocol") != "gbt32960":
        raise Invalid("this is a message of another protocol")
    number, unit = int(parameters.get("message", 0)), bytes.fromhex(parameters.get("hex", ""))
    if number in (QUERY, SET, CONTROL):
        return number, time6(time) + unit
    if _CUSTOM <= number <= 0xFE:
        return number, unit
    raise Invalid("message: a platform sends 0x80, 0x81, 0x82 or 0xC0 to 0xFE")


def _id(name: int | str) -> int:
    number = name if isinstance(name, int) else _IDS.get(name, -1)
    if isinstance(name, str) and name.startswith("0x"):
        number = int(name, 16)
    if number not in PARAMETERS:
        raise Invalid(f"GB/T 32960 has no parameter {name}")
    return number


def _ascii(parameters: Mapping[str, Any], name: str) -> bytes:
    text = str(parameters.get(name, ""))
    if not text.isascii() or ";" in text:
        raise Invalid(f"{name}: ASCII without semicolons")
    return text.encode("ascii")


def _sized(parameters: Mapping[str, Any], name: str, size: int) -> bytes:
    data = _ascii(parameters, name)
    if len(data) > size:
        raise Invalid(f"{name}: at most {size} characters")
    return data.ljust(size, b"\0") if data else b""


def _address(text: str) -> bytes:
    if not text:
        return b""
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isdecimal() and int(part) < 256 for part in parts):
        raise Invalid("address: an IPv4 address, as 192.0.2.1")
    return bytes([0, 0, *map(int, parts)])


_MAKERS: Final[Mapping[str, Callable[[int, Mapping[str, Any], int], _Unit]]] = {
    "read_parameters": _read,
    "write_parameters": _write,
    "report_interval": _interval,
    "upgrade": _upgrade,
    "raw": _raw,
}
