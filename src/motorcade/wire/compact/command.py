"""Commands of the compact profile and the answers to them, one at a time.

A command, at most 50 bytes::

    0   1  D1: a command of this profile
    1   1  kind: the number in ``KINDS``
    2   2  number of the command: the same in every attempt; who has done it answers again
    4   4  deadline, seconds since 1970-01-01 UTC: later it is not to be done; 0: none
    8   1  n: bytes of the parameters
    9   n  parameters, by kind

An answer, 9 bytes::

    0   1  C2: an answer
    1   1  outcome: 0 delivered (more will follow), 1 succeeded, 2 failed
    2   2  number of the command
    4   4  time, seconds since 1970-01-01 UTC
    8   1  why: the number in ``CODES``
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from motorcade.errors import Invalid, MessageError
from motorcade.wire.compact.signals import catalogue

__all__ = [
    "ANSWER",
    "ANSWER_SIZE",
    "CODES",
    "COMMAND",
    "COMMAND_HEAD",
    "COMMAND_MAX",
    "DOORS",
    "KINDS",
    "OUTCOMES",
    "CompactAnswer",
    "CompactCommand",
    "pack_answer",
    "pack_command",
    "read_answer",
    "read_command",
]

COMMAND: Final = 0xD1
"""First byte of a command."""
ANSWER: Final = 0xC2
"""First byte of an answer."""
ANSWER_SIZE: Final = 9
COMMAND_HEAD: Final = 9
"""Bytes of a command before its parameters, the last of which is their length."""
COMMAND_MAX: Final = 50
"""Bytes of a command: what a satellite's smallest bill pays for."""

OUTCOMES: Final[tuple[Literal["delivered", "succeeded", "failed"], ...]] = (
    "delivered",
    "succeeded",
    "failed",
)
"""Word of each outcome."""
CODES: Final = (
    "ok",
    "refused",
    "unsupported",
    "bad_message",
    "failed",
    "busy",
    "expired",
    "moving",
    "low_battery",
)
"""Word of each reason."""

DOORS: Final = ("all", "driver", "passenger", "rear", "trunk")
"""Word of each choice of doors."""

_HOW: Final = ("urgent", "display", "speak")
_WIDTHS: Final = {"?": "u8", "B": "u8", "H": "u16", "I": "u32"}
_HEAD: Final = struct.Struct(">BBHIB")
_ANSWER: Final = struct.Struct(">BBHIB")

Parameters = Mapping[str, Any]


class Kind(NamedTuple):
    """One kind of command: its number, what follows the header, and how that is written and read.
    ``write`` raises ``KeyError``, ``TypeError`` or ``ValueError`` for what it cannot say."""

    number: int
    layout: str
    write: Callable[[Parameters], bytes]
    read: Callable[[bytes], dict[str, Any]]


class CompactCommand(NamedTuple):
    """A command as its vehicle reads it. ``deadline_s`` Unix seconds, 0: none."""

    kind: str
    number: int
    deadline_s: int
    parameters: Parameters


class CompactAnswer(NamedTuple):
    """What a vehicle says to a command."""

    number: int
    outcome: Literal["delivered", "succeeded", "failed"]
    code: str
    time_s: int


def pack_command(command: CompactCommand, size_max: int = COMMAND_MAX) -> bytes:
    """The command's bytes. ``Invalid`` where the profile has no such kind, a parameter is wrong, or
    more than ``size_max`` bytes would be needed."""
    kind = KINDS.get(command.kind)
    if kind is None:
        raise Invalid(f"the compact profile cannot say {command.kind!r}")
    try:
        body = kind.write(command.parameters)
    except KeyError as error:
        raise Invalid(f"{command.kind} needs the parameter {error.args[0]!r}") from error
    except (TypeError, ValueError, struct.error) as error:
        raise Invalid(f"{command.kind}: {error}") from error
    size = _HEAD.size + len(body)
    if size > size_max:
        raise Invalid(f"{command.kind} takes {size} bytes, and {size_max} are allowed")
    head = _HEAD.pack(COMMAND, kind.number, command.number, command.deadline_s, len(body))
    return head + body


def read_command(data: bytes) -> CompactCommand:
    """The command in ``data``; ``MessageError`` where it is none."""
    if len(data) < _HEAD.size or data[0] != COMMAND:
        raise MessageError("it does not begin as a command does")
    _, kind, number, deadline_s, size = _HEAD.unpack_from(data)
    if len(data) != _HEAD.size + size:
        raise MessageError(f"it claims {size} bytes of parameters")
    for name, known in KINDS.items():
        if known.number == kind:
            try:
                parameters = known.read(data[_HEAD.size :])
            except (ValueError, IndexError, struct.error) as error:
                raise MessageError(f"the parameters of {name}: {error}") from error
            return CompactCommand(name, number, deadline_s, parameters)
    raise MessageError(f"no kind of command has the number {kind}")


def pack_answer(answer: CompactAnswer) -> bytes:
    """The answer's bytes."""
    outcome, code = OUTCOMES.index(answer.outcome), CODES.index(answer.code)
    return _ANSWER.pack(ANSWER, outcome, answer.number, answer.time_s, code)


def read_answer(data: bytes) -> CompactAnswer | None:
    """The answer in ``data``, None where it is none. A reason nobody knows is told by number."""
    if len(data) != ANSWER_SIZE or data[0] != ANSWER or data[1] >= len(OUTCOMES):
        return None
    _, outcome, number, time_s, code = _ANSWER.unpack(data)
    known = CODES[code] if code < len(CODES) else f"code_{code}"
    return CompactAnswer(number, OUTCOMES[outcome], known, time_s)


def _nothing(number: int) -> Kind:
    return Kind(number, "", lambda _: b"", _empty)


def _fixed(number: int, layout: str, **fields: int | None) -> Kind:
    """Numbers of fixed width, in the order of ``fields``, which gives what one is that is not
    said; None: it must be."""
    form = struct.Struct(">" + layout)

    def write(said: Parameters) -> bytes:
        return form.pack(*(_told(said, name, default) for name, default in fields.items()))

    def read(data: bytes) -> dict[str, Any]:
        return dict(zip(fields, form.unpack(data), strict=True))

    shown = ", ".join(
        f"{name} {_WIDTHS[width]}" for name, width in zip(fields, layout, strict=True)
    )
    return Kind(number, shown, write, read)


def _told(said: Parameters, name: str, default: Any) -> Any:
    value = said.get(name)
    if value is not None:
        return value
    if default is None:
        raise KeyError(name)
    return default


def _doors(number: int) -> Kind:
    return Kind(
        number,
        f"doors u8: {', '.join(f'{at} {word}' for at, word in enumerate(DOORS))}",
        lambda said: bytes([DOORS.index(said.get("doors", "all"))]),
        lambda data: {"doors": DOORS[_only(data)]},
    )


def _climate(number: int) -> Kind:
    def write(said: Parameters) -> bytes:
        wish = said.get("temperature_c")
        half_degrees = 0 if wish is None else round(2 * wish)
        return struct.pack(">?BB", said["on"], half_degrees, said.get("duration_min", 0))

    def read(data: bytes) -> dict[str, Any]:
        on, wish, minutes = struct.unpack(">?BB", data)
        wished = {"temperature_c": wish / 2} if wish else {}
        return {"on": on, **wished, "duration_min": minutes}

    layout = "on u8, temperature_c u8 in 0.5 degrees Celsius (0: none), duration_min u8"
    return Kind(number, layout, write, read)


def _text(number: int) -> Kind:
    def write(said: Parameters) -> bytes:
        how = sum(1 << bit for bit, name in enumerate(_HOW) if said.get(name, name == "display"))
        return bytes([how]) + str(said["text"]).encode()

    def read(data: bytes) -> dict[str, Any]:
        how = {name: bool(data[0] >> bit & 1) for bit, name in enumerate(_HOW)}
        return {"text": data[1:].decode(), **how}

    return Kind(number, "how u8 (bits: urgent, display, speak), text in UTF-8", write, read)


def _raw(number: int) -> Kind:
    return Kind(
        number,
        "bytes",
        lambda said: bytes.fromhex(said["hex"]),
        lambda data: {"hex": data.hex()},
    )


def _set(number: int) -> Kind:
    """Signals by their catalogue numbers; a word of an enumeration as its code."""
    form = struct.Struct(">Id")

    def write(said: Parameters) -> bytes:
        return b"".join(form.pack(*_numbered(*item)) for item in said["signals"].items())

    def read(data: bytes) -> dict[str, Any]:
        return {"signals": dict(_named(*pair) for pair in form.iter_unpack(data))}

    return Kind(number, "for each signal: catalogue number u32, value f64", write, read)


def _numbered(path: str, value: Any) -> tuple[int, float]:
    known = catalogue().get(path)
    if known is None or known.is_list or (known.datatype == "string" and not known.is_enum):
        raise ValueError(f"{path} cannot be said in a number")
    return known.number, float(known.words.index(value) if known.is_enum else value)


def _named(number: int, value: float) -> tuple[str, Any]:
    known = catalogue().by_number.get(number)
    if known is None:
        raise ValueError(f"no signal has the number {number}")
    if known.is_enum:
        return known.path, known.words[int(value)]
    if known.datatype == "boolean":
        return known.path, bool(value)
    return known.path, value if known.datatype in ("float", "double") else round(value)


def _empty(data: bytes) -> dict[str, Any]:
    if data:
        raise ValueError(f"{len(data)} bytes too many")
    return {}


def _only(data: bytes) -> int:
    _empty(data[1:])
    return data[0]


KINDS: Final[Mapping[str, Kind]] = {
    "lock": _doors(1),
    "unlock": _doors(2),
    "locate": _fixed(3, "HI", interval_s=0, duration_s=0),
    "report_interval": _fixed(4, "HH", interval_s=None, sleep_interval_s=0),
    "horn_lights": _fixed(5, "??B", horn=1, lights=1, duration_s=5),
    "climate": _climate(6),
    "charge_start": _nothing(7),
    "charge_stop": _nothing(8),
    "charge_limit": _fixed(9, "B", soc_percent=None),
    "text": _text(10),
    "set": _set(11),
    "raw": _raw(12),
}
"""Kinds the profile can say."""
