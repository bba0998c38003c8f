"""Readings as tables: columns of Arrow, or of text as CSV has it, become columns of the catalogue.

In: named columns of n rows. Out: the same ``Columns`` as ``objects`` makes of mappings, by the same
rules. A column without a wrong value is converted whole; only one with some is read value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.signals.catalogue import Catalogue, Signal
from motorcade.signals.nearest import Nearest
from motorcade.signals.objects import Columns, Fault, columns_of, timestamps
from motorcade.signals.words import to_codes

__all__ = ["columns_of_table", "columns_of_text", "plain", "times_of", "times_of_text"]

_SPREAD_BYTES_MAX: Final = 256 << 20
"""What a dictionary column may become when its words are written out."""

_INTEGERS: Final = {
    name: (np.iinfo(name).min, np.iinfo(name).max)
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
}
_MICROS_FROM: Final = 10**14
"""From here on ``timestamps`` takes a number for microseconds."""

Read = Callable[[Signal, pa.Array], pa.Array | None]


def columns_of_table(catalogue: Catalogue, columns: Mapping[str, pa.Array]) -> Columns:
    """Typed columns: numbers for numbers, booleans, text, words of enumerations (or their codes),
    lists. ``Invalid`` for Arrow types that mean none of these."""
    return _read(catalogue, columns, _typed, lambda signal, value: value)


def columns_of_text(catalogue: Catalogue, columns: Mapping[str, pa.Array]) -> Columns:
    """Columns of text (null where a cell is empty): numbers in decimal, ``true`` and ``false``,
    words, lists as JSON."""
    return _read(catalogue, columns, _of_text, _value_of)


def times_of(column: pa.Array) -> tuple[NDArray[np.int64], dict[int, str]]:
    """A column of times as ``objects.timestamps`` gives them. Arrow's own timestamps without a zone
    are taken for UTC; a null is no time."""
    column = plain("ts", column)
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        # A small number would be taken for milliseconds: before 1973, so refused as 0 is.
        column = pc.if_else(pc.less(micros, _MICROS_FROM), 0, micros)
    return timestamps(column.to_pylist())


def times_of_text(column: pa.Array) -> tuple[NDArray[np.int64], dict[int, str]]:
    """A column of times as text: ISO 8601, or a number."""
    if column.null_count == 0 and pc.all(pc.match_substring(column, "T")).as_py():
        return timestamps(column.to_pylist())
    return timestamps([_number(text) for text in column.to_pylist()])


def plain(name: str, column: pa.Array) -> pa.Array:
    """A column in one of the types that are read here; ``Invalid`` names it where it has another.

    A dictionary's words are written out, and lists keep their kind."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = _spread(name, column)
        kind = column.type
    element = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    known = (
        pa.types.is_boolean(element)
        or pa.types.is_integer(element)
        or pa.types.is_floating(element)
        or pa.types.is_string(element)
        or pa.types.is_large_string(element)
        or pa.types.is_null(element)
        or (pa.types.is_timestamp(element) and element is kind)
    )
    if not known:
        raise Invalid(f"column {name}: {kind} is no type that is read here")
    return column


def _read(
    catalogue: Catalogue,
    columns: Mapping[str, pa.Array],
    whole: Read,
    single: Callable[[Signal, Any], Any],
) -> Columns:
    signals: dict[str, pa.Array] = {}
    faults: dict[int, list[Fault]] = {}
    nearest: Nearest | None = None
    for path, column in columns.items():
        signal = catalogue.get(path)
        if signal is None:
            nearest = nearest or Nearest(catalogue)
            fault = Fault(path[:80], "unknown_signal", nearest.reason(path))
            there = column.is_valid().to_numpy(zero_copy_only=False)
            for row in np.flatnonzero(there).tolist():
                faults.setdefault(row, []).append(fault)
            continue
        found = whole(signal, plain(path, column))
        if found is None:
            values = plain(path, column).to_pylist()
            made = columns_of(catalogue, [{path: single(signal, value)} for value in values])
            found = made.signals.get(path)
            for row, wrong in made.faults.items():
                faults.setdefault(row, []).extend(wrong)
        if found is not None and found.null_count < len(found):
            signals[path] = found
    return Columns(signals, faults)


def _typed(signal: Signal, column: pa.Array) -> pa.Array | None:
    """The whole column in the signal's type; None where a value may not fit."""
    kind, target = column.type, signal.arrow_type
    if column.null_count == len(column):
        return pa.nulls(len(column), target)
    if signal.is_list:
        return None
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if signal.is_enum:
        codes = to_codes(signal, column.cast(pa.string())) if text else None
        return codes if codes is not None and codes.null_count == column.null_count else None
    if signal.datatype == "string":
        return column.cast(pa.string()) if text else None
    if signal.datatype == "boolean":
        return column if pa.types.is_boolean(kind) else None
    if pa.types.is_integer(target):
        return _whole_numbers(signal, column) if pa.types.is_integer(kind) else None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _real_numbers(signal, column)
    return None


def _of_text(signal: Signal, column: pa.Array) -> pa.Array | None:
    """The whole column of text in the signal's type; None where a cell may not fit."""
    if signal.is_list or column.null_count == len(column):
        return None if signal.is_list else pa.nulls(len(column), signal.arrow_type)
    if signal.datatype == "string":
        return _typed(signal, column)
    if signal.datatype == "boolean":
        low = pc.utf8_lower(column)
        known = pc.is_in(low, value_set=pa.array(["true", "false"]))
        good = pc.sum(known).as_py() == len(column) - column.null_count
        return pc.equal(low, "true") if good else None
    wanted = pa.float64()
    if pa.types.is_integer(signal.arrow_type):
        wanted = pa.uint64() if signal.datatype == "uint64" else pa.int64()
    try:
        return _typed(signal, column.cast(wanted))
    except pa.ArrowInvalid:
        return None


def _whole_numbers(signal: Signal, column: pa.Array) -> pa.Array | None:
    least: float
    most: float
    least, most = _INTEGERS[signal.datatype]
    if signal.min is not None:
        least = max(least, signal.min)
    if signal.max is not None:
        most = min(most, signal.max)
    ends = pc.min_max(column).as_py()
    return column.cast(signal.arrow_type) if least <= ends["min"] and ends["max"] <= most else None


def _real_numbers(signal: Signal, column: pa.Array) -> pa.Array | None:
    made = column.cast(signal.arrow_type, safe=False)
    if not pc.all(pc.is_finite(made)).as_py():
        return None
    ends = pc.min_max(made).as_py()
    low = signal.min is None or ends["min"] >= signal.min
    return made if low and (signal.max is None or ends["max"] <= signal.max) else None


def _spread(name: str, column: pa.Array) -> pa.Array:
    """A dictionary column's values; ``Invalid`` where few bytes would become far too many."""
    words = column.dictionary
    text = pa.types.is_string(words.type) or pa.types.is_large_string(words.type)
    if text and len(words):
        longest = pc.max(pc.binary_length(words)).as_py() or 0
        if longest * len(column) > _SPREAD_BYTES_MAX:
            raise Invalid(f"column {name}: its dictionary holds texts of up to {longest} bytes")
    elif not text and pa.types.is_nested(words.type):
        raise Invalid(f"column {name}: a dictionary of {words.type} is not read here")
    return column.dictionary_decode()


def _number(text: str | None) -> Any:
    """The number a cell holds, else its text."""
    if text is None:
        return None
    for kind in (int, float):
        try:
            return kind(text) if "_" not in text else text
        except ValueError:
            continue
    return text


def _value_of(signal: Signal, text: str | None) -> Any:
    """One cell as ``objects`` reads values; what is none stays text, and is refused as such."""
    if text is None or signal.datatype == "string":
        return text
    if signal.is_list:
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return text
    if signal.datatype == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    return _number(text)
