"""Readings as objects: what vehicles and back ends send as JSON, CBOR or rows become columns.

In: mappings of VSS path to value, or the messages that carry them. Out: one Arrow array per signal,
and every value that could not be used with the reason; the row's other values stand.

A message is one reading or a list of them, in either of two shapes::

    {"ts": "2026-03-01T12:00:00Z", "signals": {"Vehicle.Speed": 54.3, "Vehicle.IsMoving": true}}
    {"ts": 1772366400000, "Vehicle.Speed": 54.3, "Vehicle.IsMoving": true}

``ts`` is ISO 8601 with a zone, or a number since 1970 UTC whose size tells its unit (see
``timestamps``); without it the time of arrival counts. ``"reissued": true`` says that the reading
comes from the vehicle's store. Beside ``signals`` other keys are ignored. A null is a signal not
reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.signals.alike import arrays_of
from motorcade.signals.catalogue import Catalogue, Signal
from motorcade.signals.nearest import Nearest
from motorcade.signals.text import parse_time

__all__ = ["Columns", "Fault", "Reading", "columns_of", "readings", "timestamps"]

_SECOND_US: Final = 1_000_000
_EARLIEST_US: Final = 946_684_800 * _SECOND_US
_LATEST_US: Final = 4_102_444_800 * _SECOND_US
"""2000 to 2099, as GB/T 32960 and JT/T 808 write years: a time outside is a clock never set."""

_MILLIS_FROM: Final = 10**11
_MICROS_FROM: Final = 10**14
_NUMBERS: Final = frozenset({int, float, type(None)})
_FLOAT_MAX: Final = float(np.finfo(np.float64).max)
_EXACT: Final = float(1 << 53)
_TOO_LONG: Final = 80
"""Characters of a wrong value or path that a reason repeats."""


class Fault(NamedTuple):
    """One value that was left out. ``code``: ``unknown_signal``, ``type``, ``range`` or ``word``
    (no such word of an enumeration)."""

    path: str
    code: str
    reason: str


class Columns(NamedTuple):
    """``signals``: by path an array of n rows in the catalogue's types (enumerations as codes), in
    order of appearance; ``faults``: by row."""

    signals: dict[str, pa.Array]
    faults: dict[int, list[Fault]]


class Reading(NamedTuple):
    """One object of a message; ``time`` as it was written, None where it was not."""

    time: Any
    signals: Mapping[str, Any]
    reissued: bool = False


class _Piece(NamedTuple):
    """What rows of the same paths say of one of them; ``ready``: as an array, where all of it is as
    it should be."""

    places: list[int]
    values: Sequence[Any]
    ready: NDArray[Any] | None


def columns_of(catalogue: Catalogue, rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Rows (path → value) as columns. Rows with the same keys in the same order are read together.

    Numbers may be integers or floats (an integer signal takes a float without fraction), booleans
    only true and false, enumerations their words or codes, lists may hold nulls.
    """
    parts: dict[str, list[_Piece]] = {}
    for paths, places in _groups(rows).items():
        table = list(zip(*[rows[place].values() for place in places], strict=True))
        ready = arrays_of(list(map(catalogue.get, paths)), table)
        for at, path in enumerate(paths):
            parts.setdefault(path, []).append(_Piece(places, table[at], ready.get(at)))
    faults: dict[int, list[Fault]] = {}
    signals: dict[str, pa.Array] = {}
    nearest: Nearest | None = None
    for path, pieces in parts.items():
        signal = catalogue.get(path)
        if signal is None:
            nearest = nearest or Nearest(catalogue)
            fault = Fault(_short(path), "unknown_signal", nearest.reason(path))
            for piece in pieces:
                told = zip(piece.places, piece.values, strict=True)
                _note(faults, (place for place, value in told if value is not None), fault)
            continue
        array = _spread(pieces, len(rows))
        if array is None:
            array = _column(signal, pieces, len(rows), faults)
        if array.null_count < len(array):
            signals[path] = array
    return Columns(signals, faults)


def _groups(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], list[int]]:
    """The places of rows with the same keys in the same order."""
    names = list(map(tuple, rows))
    if names and names.count(names[0]) == len(names):
        return {names[0]: list(range(len(names)))}
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(name, []).append(place)
    return groups


def readings(message: Any) -> list[Reading]:
    """The readings of a message as JSON or CBOR gave it; ``Invalid`` where its shape is none.

    Flat objects give their ``ts`` and ``reissued`` away: they are taken out of the mapping.
    """
    if type(message) is dict:
        return [_reading(message)]
    if type(message) is list:
        return [_reading(one) for one in message]
    raise Invalid("a message is an object or a list of objects")


def timestamps(values: Sequence[Any]) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Times as microseconds since 1970 UTC: int64 (n), and by row why one is none (it is 0 then).

    Text is ISO 8601 with a zone (``Z`` or an offset). A number's size tells its unit: below 10^11
    it is seconds, below 10^14 milliseconds, else microseconds; a float may have a fraction. Times
    before 2000 and after 2099 are refused.
    """
    kinds = set(map(type, values))
    us = None
    if kinds == {int}:
        us = _whole(values)
    elif kinds == {str}:
        us = _iso(values)
    if us is None:
        faults: dict[int, str] = {}
        us = np.zeros(len(values), np.int64)
        for row, value in enumerate(values):
            try:
                us[row] = _moment(value)
            except Invalid as error:
                faults[row] = str(error)
            except OverflowError:
                pass  # it stays 0, which is outside and told so below
    else:
        faults = {}
    outside = (us < _EARLIEST_US) | (us >= _LATEST_US)
    if outside.any():
        for row in np.flatnonzero(outside).tolist():
            faults.setdefault(row, f"{_shown(values[row])} is no time between 2000 and 2099")
        us[outside] = 0
    return us, faults


def _reading(one: Any) -> Reading:
    if type(one) is not dict:
        raise Invalid("a reading is an object of paths and values")
    nested = one.get("signals")
    if nested is None:
        return Reading(one.pop("ts", None), one, one.pop("reissued", False) is True)
    if type(nested) is not dict:
        raise Invalid('"signals" is an object of paths and values')
    return Reading(one.get("ts"), nested, one.get("reissued") is True)


def _spread(pieces: Sequence[_Piece], n: int) -> pa.Array | None:
    """One signal of ``n`` rows from pieces that are all ready; None where some are not."""
    first = pieces[0].ready
    if first is None:
        return None
    if len(pieces) == 1 and len(first) == n:
        return pa.array(first)
    values, absent = np.zeros(n, first.dtype), np.ones(n, bool)
    for piece in pieces:
        if piece.ready is None:
            return None
        values[piece.places] = piece.ready
        absent[piece.places] = False
    return pa.array(values, mask=absent if absent.any() else None)


def _column(
    signal: Signal,
    pieces: Sequence[_Piece],
    n: int,
    faults: dict[int, list[Fault]],
) -> pa.Array:
    """One signal of ``n`` rows from the pieces that report it."""
    places, values = _joined(pieces)
    try:
        array = _converted(signal, values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        array = None
    if array is None:
        array = _one_by_one(signal, places, values, faults)
    array = _within(signal, places, values, array, faults)
    if len(places) == n:
        return array
    spread = np.full(n, -1, np.int64)
    spread[places] = np.arange(len(places))
    return array.take(pa.array(spread, mask=spread < 0))


def _joined(pieces: Sequence[_Piece]) -> tuple[list[int], list[Any]]:
    """Pieces as one, rows ascending."""
    if len(pieces) == 1:
        return pieces[0].places, list(pieces[0].values)
    places = list(chain.from_iterable(piece.places for piece in pieces))
    values = list(chain.from_iterable(piece.values for piece in pieces))
    order = np.argsort(np.array(places, np.int64)).tolist()
    return [places[k] for k in order], [values[k] for k in order]


def _converted(signal: Signal, values: list[Any]) -> pa.Array | None:
    """All values in one go; None where some need to be looked at one by one."""
    kind = signal.arrow_type
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if signal.is_enum:
        return _coded(signal, values, kinds)
    if signal.is_list:
        if kinds - {list, tuple}:
            return None
        inner = set(map(type, chain.from_iterable(v for v in values if v is not None)))
        return pa.array(values, kind) if _fit(inner, kind.value_type) else None
    if _fit(kinds, kind):
        return pa.array(values, kind)
    return _whole_numbers(values, kind) if pa.types.is_integer(kind) and kinds <= _NUMBERS else None


def _whole_numbers(values: list[Any], kind: pa.DataType) -> pa.Array | None:
    """Floats for an integer signal, as JavaScript writes them; None where one has a fraction, or
    is larger than a float tells apart."""
    numbers = np.array(values, np.float64)
    there = ~np.isnan(numbers)
    known = np.where(there, numbers, 0)
    if (np.abs(known) >= _EXACT).any() or (known != np.floor(known)).any():
        return None
    if np.count_nonzero(~there) != values.count(None):
        return None
    return pa.array(known.astype(np.int64), mask=~there).cast(kind)


def _fit(kinds: set[type], arrow: pa.DataType) -> bool:
    """Whether Arrow reads values of these types as we mean it: it takes true for 1.0 and cuts
    fractions off."""
    if pa.types.is_floating(arrow):
        return kinds <= _NUMBERS
    if pa.types.is_integer(arrow):
        return kinds <= {int, type(None)}
    return kinds <= {bool if pa.types.is_boolean(arrow) else str, type(None)}


def _coded(signal: Signal, values: list[Any], kinds: set[type]) -> pa.Array | None:
    if kinds <= {str}:
        codes = {word: code for code, word in enumerate(signal.words)}
        codes[None] = None  # type: ignore[index, assignment]
        found = list(map(codes.get, values))
        if found.count(None) != values.count(None):
            return None
        return pa.array(found, signal.arrow_type)
    if kinds == {int}:
        known = values if None not in values else [v for v in values if v is not None]
        if min(known) >= 0 and max(known) < len(signal.words):
            return pa.array(values, signal.arrow_type)
    return None


def _one_by_one(
    signal: Signal, places: list[int], values: list[Any], faults: dict[int, list[Fault]]
) -> pa.Array:
    """The values that can be used; the others are null and named."""
    good: list[Any] = []
    for place, value in zip(places, values, strict=True):
        try:
            good.append(None if value is None else _value(signal, value))
        except Invalid as error:
            code = error.facts.get("kind", "type")
            faults.setdefault(place, []).append(Fault(signal.path, code, error.detail))
            good.append(None)
    return pa.array(good, signal.arrow_type)


def _value(signal: Signal, value: Any) -> Any:
    """One value as its column takes it; raises ``Invalid``."""
    if signal.is_enum:
        return _code(signal, value)
    if not signal.is_list:
        return _scalar(signal.datatype, value)
    if not isinstance(value, list | tuple):
        raise Invalid(f"{_shown(value)} is no list ({signal.datatype})")
    element = signal.datatype.removesuffix("[]")
    return [None if one is None else _scalar(element, one) for one in value]


def _scalar(datatype: str, value: Any) -> Any:
    wanted = _WANTED[datatype]
    made = wanted.read(value)
    if made is None:
        raise Invalid(f"{_shown(value)} is no {wanted.name} ({datatype})")
    if wanted.bounds and not wanted.bounds[0] <= made <= wanted.bounds[1]:
        raise Invalid(f"{_shown(value)} does not fit {datatype}", kind="range")
    return made


def _code(signal: Signal, value: Any) -> int:
    words = signal.words
    if type(value) is int and 0 <= value < len(words):
        return value
    if isinstance(value, str) and value in words:
        return words.index(value)
    some = ", ".join(words[:12]) + (", …" if len(words) > 12 else "")
    raise Invalid(f"{_shown(value)} is none of {some}", kind="word")


def _within(
    signal: Signal,
    places: list[int],
    values: list[Any],
    array: pa.Array,
    faults: dict[int, list[Fault]],
) -> pa.Array:
    """``array`` without numbers that are none (NaN, infinite) or outside the catalogue's bounds."""
    floating = pa.types.is_floating(array.type)
    if signal.is_list:
        return _finite_lists(array)
    if not floating and signal.min is None and signal.max is None:
        return array
    plain = array.to_numpy(zero_copy_only=False)
    low = -_FLOAT_MAX if signal.min is None else signal.min
    high = _FLOAT_MAX if signal.max is None else signal.max
    # One comparison each where all is well; a NaN (also that of a null) makes it false.
    if float(plain.min()) >= low and float(plain.max()) <= high:
        return array
    there = array.is_valid().to_numpy(zero_copy_only=False)
    wide = plain.astype(np.float64)
    bad = there & ~((wide >= low) & (wide <= high))
    if not bad.any():
        return array
    bounds = (
        f"{'' if signal.min is None else signal.min} to {'' if signal.max is None else signal.max}"
    )
    for k in np.flatnonzero(bad).tolist():
        reason = f"{_shown(values[k])} is outside {bounds}"
        if bounds == " to " or not _finite(values[k]):
            reason = f"{_shown(values[k])} is no {signal.datatype}"
        faults.setdefault(places[k], []).append(Fault(signal.path, "range", reason))
    return pc.if_else(pa.array(bad), pa.scalar(None, array.type), array)


def _finite_lists(array: pa.Array) -> pa.Array:
    """Lists of numbers with null for every element that is none (NaN, infinite)."""
    elements = array.values
    if not pa.types.is_floating(elements.type) or not len(elements):
        return array
    finite = pc.is_finite(elements)
    if pc.all(finite).as_py() is not False:
        return array
    known = pc.if_else(finite, elements, pa.scalar(None, elements.type))
    mask = array.is_null() if array.null_count else None
    return pa.ListArray.from_arrays(array.offsets, known, type=array.type, mask=mask)


def _finite(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


class _Wanted(NamedTuple):
    """How a single value of a datatype is read (None: it is none), and what fits."""

    name: str
    read: Callable[[Any], Any]
    bounds: tuple[float, float] | None = None


def _as_float(value: Any) -> float | None:
    if type(value) not in (int, float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _as_integer(value: Any) -> int | None:
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _as_text(value: Any) -> str | None:
    if type(value) is not str:
        return None
    return value if value.isprintable() or _encodes(value) else None


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wanted() -> dict[str, _Wanted]:
    made = {
        "boolean": _Wanted("true or false", lambda v: v if type(v) is bool else None),
        "string": _Wanted("text", _as_text),
        "float": _Wanted("number", _as_float),
        "double": _Wanted("number", _as_float),
    }
    for bits in (8, 16, 32, 64):
        half = 1 << (bits - 1)
        made[f"int{bits}"] = _Wanted("whole number", _as_integer, (-half, half - 1))
        made[f"uint{bits}"] = _Wanted("whole number", _as_integer, (0, 2 * half - 1))
    return made


_WANTED: Final = _wanted()


def _whole(values: Sequence[int]) -> NDArray[np.int64] | None:
    try:
        number = np.array(values, np.int64)
    except OverflowError:
        return None
    factor = np.where(number < _MICROS_FROM, 1_000, 1)
    factor[number < _MILLIS_FROM] = _SECOND_US
    # What would overflow is far outside the years that count; clipping keeps it there.
    return np.clip(number, -_MILLIS_FROM, None) * factor


def _iso(values: Sequence[str]) -> NDArray[np.int64] | None:
    try:
        moments = pa.array(values).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    except (pa.ArrowException, UnicodeEncodeError):
        return None
    return np.array(moments)


def _moment(value: Any) -> int:
    if type(value) is str:
        return parse_time(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return parse_time(value.isoformat())
    if type(value) not in (int, float) or not _finite(value):
        raise Invalid(f"{_shown(value)} is no time: ISO 8601 text with a zone, or a number")
    if abs(value) >= _MICROS_FROM:
        return min(int(value), 1 << 62)
    factor = _SECOND_US if abs(value) < _MILLIS_FROM else 1_000
    return round(float(value) * factor) if isinstance(value, float) else int(value) * factor


def _note(faults: dict[int, list[Fault]], places: Iterable[int], fault: Fault) -> None:
    for place in places:
        faults.setdefault(place, []).append(fault)


def _shown(value: Any) -> str:
    try:
        return _short(repr(value))
    except ValueError:
        # Python does not write out integers of thousands of digits, which CBOR can hold.
        return "a number of thousands of digits"


def _short(text: Any) -> str:
    text = str(text)
    return text if len(text) <= _TOO_LONG else f"{text[:_TOO_LONG]}…"
