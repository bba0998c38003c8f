"""What can be commanded: the kinds, what each takes, and what a caller got wrong.

In: a kind and parameters as parsed JSON. Out: the parameters with defaults filled in, or
``Invalid`` that names every wrong one. ``docs/commands.md`` shows these tables and is tested
against them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from motorcade import limits
from motorcade.errors import Invalid
from motorcade.signals.catalogue import Catalogue, Signal

__all__ = ["CLASSES", "KINDS", "OPEN", "STATES", "Kind", "Parameter", "check", "check_signals"]

STATES: Final = ("queued", "sent", "delivered", "succeeded", "failed", "expired", "cancelled")
"""A command's states; each is reached at most once, and only one of the last four."""

OPEN: Final = ("queued", "sent", "delivered")
"""States that await something."""

CLASSES: Final[Mapping[str, int]] = {"emergency": 90, "interactive": 70, "normal": 50, "bulk": 20}
"""Message classes: what the downlink policy tells apart, and the priority a command has that names
none."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a kind. ``type``: ``bool``, ``int``, ``number``, ``text``, ``word``,
    ``ids``, ``values``, ``signals`` or ``hex``; ``low`` and ``high`` bound a number, a text's
    characters or a list's entries."""

    type: str
    says: str
    required: bool = False
    default: Any = None
    low: float = 0
    high: float = math.inf
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of command: what it asks, the class it has unless told otherwise, its parameters."""

    says: str
    message_class: str
    parameters: Mapping[str, Parameter]


_DOORS: Final = Parameter(
    "word", "Which doors.", default="all", words=("all", "driver", "passenger", "rear", "trunk")
)
_IDS: Final = Parameter(
    "ids",
    "Parameter ids: numbers, `0x…` or the protocol's names; none means all.",
    default=(),
    high=limits.COMMAND_PARAMETERS_MAX,
)

KINDS: Final[Mapping[str, Kind]] = {
    "lock": Kind("Lock doors.", "interactive", {"doors": _DOORS}),
    "unlock": Kind("Unlock doors.", "interactive", {"doors": _DOORS}),
    "locate": Kind(
        "Report the position now; with an interval, for a while at that interval.",
        "interactive",
        {
            "interval_s": Parameter(
                "int", "Seconds between reports; 0: once.", default=0, high=65_535
            ),
            "duration_s": Parameter("int", "For how long.", default=0, high=4_294_967_295),
        },
    ),
    "report_interval": Kind(
        "Report at another interval from now on.",
        "normal",
        {
            "interval_s": Parameter("int", "Seconds between reports.", True, low=1, high=65_535),
            "sleep_interval_s": Parameter(
                "int", "Seconds between reports while parked; 0: as it is.", default=0, high=65_535
            ),
        },
    ),
    "read_parameters": Kind("Tell the terminal's parameters.", "normal", {"ids": _IDS}),
    "write_parameters": Kind(
        "Change the terminal's parameters.",
        "normal",
        {
            "values": Parameter(
                "values",
                "Parameter id (a number, `0x…` or the protocol's name) to number or text.",
                True,
                low=1,
                high=limits.COMMAND_PARAMETERS_MAX,
            )
        },
    ),
    "text": Kind(
        "Show or speak a text to the driver.",
        "interactive",
        {
            "text": Parameter("text", "The text.", True, low=1, high=500),
            "urgent": Parameter("bool", "Marked as urgent.", default=False),
            "display": Parameter("bool", "Shown on the terminal's display.", default=True),
            "speak": Parameter("bool", "Read aloud.", default=False),
        },
    ),
    "horn_lights": Kind(
        "Sound the horn, flash the lights: where is my car?",
        "interactive",
        {
            "horn": Parameter("bool", "Sound the horn.", default=True),
            "lights": Parameter("bool", "Flash the lights.", default=True),
            "duration_s": Parameter("int", "For how long.", default=5, low=1, high=255),
        },
    ),
    "climate": Kind(
        "Switch the air conditioning.",
        "interactive",
        {
            "on": Parameter("bool", "On or off.", True),
            "temperature_c": Parameter("number", "Cabin temperature in °C.", low=10, high=35),
            "duration_min": Parameter(
                "int", "For how long; 0: until it is stopped.", default=0, high=240
            ),
        },
    ),
    "charge_start": Kind("Begin to charge.", "interactive", {}),
    "charge_stop": Kind("Stop charging.", "interactive", {}),
    "charge_limit": Kind(
        "Charge up to a state of charge.",
        "normal",
        {"soc_percent": Parameter("int", "State of charge in percent.", True, low=1, high=100)},
    ),
    "upgrade": Kind(
        "Fetch and install other software.",
        "normal",
        {
            "url": Parameter("text", "Where it is.", True, low=1, high=500),
            "version": Parameter("text", "The version it will have.", default="", high=64),
            "hardware_version": Parameter("text", "Hardware it is for.", default="", high=64),
            "manufacturer": Parameter("text", "The terminal maker's code.", default="", high=16),
            "sha256": Parameter("hex", "What its bytes hash to.", default="", high=32),
            "apn": Parameter("text", "Access point to dial; empty: as it is.", default="", high=64),
            "user": Parameter("text", "Dialling user.", default="", high=64),
            "password": Parameter("text", "Dialling password.", default="", high=64),
            "address": Parameter("text", "The server's address, if apart.", default="", high=64),
            "port": Parameter("int", "The server's port; 0: none.", default=0, high=65_535),
            "timeout_min": Parameter("int", "Give up after; 0: never.", default=0, high=65_535),
        },
    ),
    "set": Kind(
        "Set actuator signals of the catalogue.",
        "normal",
        {
            "signals": Parameter(
                "signals",
                "Path to value, in the catalogue's units; actuators only.",
                True,
                low=1,
                high=limits.COMMAND_SIGNALS_MAX,
            )
        },
    ),
    "raw": Kind(
        "A message of a protocol, as bytes.",
        "normal",
        {
            "protocol": Parameter(
                "text", "The protocol's name; others refuse it.", True, low=1, high=32
            ),
            "message": Parameter(
                "int", "Message id or command byte (JT/T 808, GB/T 32960).", default=0, high=65_535
            ),
            "hex": Parameter(
                "hex", "The message's body.", default="", high=limits.COMMAND_RAW_BYTES_MAX
            ),
        },
    ),
}
"""Every kind, in the order of the page."""


def check(kind: str, parameters: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """The parameters as a vehicle's protocol gets them; raises ``Invalid`` naming what is wrong."""
    known = KINDS.get(kind)
    if known is None:
        _refuse([("kind", f"must be one of {', '.join(KINDS)}")])
    wrong: list[tuple[str, str]] = []
    found: dict[str, Any] = {}
    for name in parameters.keys() - known.parameters.keys():
        takes = ", ".join(known.parameters) or "none"
        wrong.append((f"parameters.{name}", f"{kind} takes {takes}"))
    for name, parameter in known.parameters.items():
        if parameters.get(name) is None:
            if parameter.required:
                wrong.append((f"parameters.{name}", f"{kind} needs it"))
            elif parameter.default is not None:
                found[name] = parameter.default
            continue
        try:
            found[name] = _READERS[parameter.type](parameters[name], parameter, catalogue)
        except ValueError as error:
            wrong.append((f"parameters.{name}", str(error)))
    if wrong:
        _refuse(wrong)
    return found


def check_signals(values: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """Actuator signals with values of their types; raises ``ValueError`` about the first that is
    not."""
    return {path: _signal_value(path, value, catalogue) for path, value in values.items()}


def _refuse(wrong: list[tuple[str, str]]) -> NoReturn:
    raise Invalid(
        "; ".join(f"{field}: {message}" for field, message in wrong),
        errors=[{"field": field, "message": message} for field, message in wrong],
    )


def _bool(value: Any, _: Parameter, __: Catalogue) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _int(value: Any, parameter: Parameter, _: Catalogue) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    _bounded(value, parameter, "")
    return value


def _number(value: Any, parameter: Parameter, _: Catalogue) -> float:
    if not _is_number(value):
        raise ValueError("must be a number")
    _bounded(value, parameter, "")
    return float(value)


def _text(value: Any, parameter: Parameter, _: Catalogue) -> str:
    if not isinstance(value, str) or "\0" in value or not _encodes(value):
        raise ValueError("must be text")
    _bounded(len(value), parameter, " characters")
    return value


def _word(value: Any, parameter: Parameter, _: Catalogue) -> str:
    if value not in parameter.words:
        raise ValueError(f"must be one of {', '.join(parameter.words)}")
    return str(value)


def _hex(value: Any, parameter: Parameter, _: Catalogue) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(?:[0-9a-fA-F]{2})*", value):
        raise ValueError("must be hexadecimal digits, two a byte")
    _bounded(len(value) // 2, parameter, " bytes")
    return value.lower()


def _ids(value: Any, parameter: Parameter, _: Catalogue) -> list[int | str]:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list")
    _bounded(len(value), parameter, " entries")
    return [_id(one) for one in value]


def _values(value: Any, parameter: Parameter, _: Catalogue) -> dict[str, int | str]:
    if not isinstance(value, Mapping):
        raise ValueError("must be an object")
    _bounded(len(value), parameter, " entries")
    found: dict[str, int | str] = {}
    for name, one in value.items():
        if isinstance(one, bool) or not isinstance(one, int | str):
            raise ValueError(f"{name} must be a whole number or text")
        if isinstance(one, int) and not -(1 << 63) <= one < 1 << 63:
            raise ValueError(f"{name} is too large")
        if isinstance(one, str) and (len(one) > 1_024 or "\0" in one or not _encodes(one)):
            raise ValueError(f"{name} must be text of at most 1024 characters")
        key = _id(name)
        found[f"0x{key:04X}" if isinstance(key, int) else key] = one
    return found


def _signals(value: Any, parameter: Parameter, catalogue: Catalogue) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("must be an object of paths and values")
    _bounded(len(value), parameter, " entries")
    return check_signals(value, catalogue)


def _id(value: Any) -> int | str:
    """A parameter's id: a number however it is written, or a name."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and re.fullmatch(r"\d{1,10}", value):
        number = int(value)
    elif isinstance(value, str) and re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}", value):
        number = int(value, 16)
    elif isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_]{0,63}", value):
        return value
    else:
        raise ValueError(f"{str(value)[:40]!r} is no parameter id: a number, 0x… or a name")
    if not 0 <= number < 1 << 32:
        raise ValueError(f"{number} is no parameter id: they have 32 bits")
    return number


def _signal_value(path: str, value: Any, catalogue: Catalogue) -> Any:
    signal = catalogue.get(path)
    if signal is None:
        raise ValueError(f"there is no signal {path[:100]}")
    if signal.kind != "actuator":
        raise ValueError(f"{path} is no actuator, but a {signal.kind}")
    if not signal.is_list:
        return _typed(signal, value, signal.datatype)
    if not isinstance(value, list):
        raise ValueError(f"{path} is a list")
    if len(value) > limits.COMMAND_PARAMETERS_MAX:
        raise ValueError(f"{path} has more than {limits.COMMAND_PARAMETERS_MAX} elements")
    return [_typed(signal, one, signal.datatype.removesuffix("[]")) for one in value]


def _typed(signal: Signal, value: Any, datatype: str) -> Any:
    if datatype == "boolean":
        if isinstance(value, bool):
            return value
        raise ValueError(f"{signal.path} is true or false")
    if datatype == "string":
        if not isinstance(value, str) or len(value) > 1_024 or "\0" in value or not _encodes(value):
            raise ValueError(f"{signal.path} is text of at most 1024 characters")
        if signal.allowed and value not in signal.allowed:
            raise ValueError(f"{signal.path} is one of {', '.join(signal.allowed)}")
        return value
    return _measured(signal, value, datatype)


def _measured(signal: Signal, value: Any, datatype: str) -> float | int:
    whole = datatype not in ("float", "double")
    if not _is_number(value):
        raise ValueError(f"{signal.path} is a number")
    if whole and value != int(value):
        raise ValueError(f"{signal.path} is a whole number")
    low, high = signal.min, signal.max
    if whole:
        bits = int(datatype.lstrip("uint"))
        first, last = (0, 1 << bits) if datatype[0] == "u" else (-1 << (bits - 1), 1 << (bits - 1))
        low = first if low is None else max(low, first)
        high = last - 1 if high is None else min(high, last - 1)
    if (low is not None and value < low) or (high is not None and value > high):
        raise ValueError(f"{signal.path} lies between {low} and {high}")
    try:
        return int(value) if whole else float(value)
    except OverflowError:
        raise ValueError(f"{signal.path} is a number that fits a double") from None


def _is_number(value: Any) -> bool:
    """Whether it is a number with an end; JSON has whole ones of any length."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _bounded(size: float, parameter: Parameter, of: str) -> None:
    if parameter.low <= size <= parameter.high:
        return
    if parameter.high == math.inf:
        raise ValueError(f"must be at least {parameter.low:g}{of}")
    raise ValueError(f"must be {parameter.low:g} to {parameter.high:g}{of}")


def _encodes(text: str) -> bool:
    """Whether a text can be written at all: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_READERS: Final = {
    "bool": _bool,
    "int": _int,
    "number": _number,
    "text": _text,
    "word": _word,
    "hex": _hex,
    "ids": _ids,
    "values": _values,
    "signals": _signals,
}
