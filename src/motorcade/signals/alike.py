"""Rows that report the same signals, read all at once: numbers, words and truth values that are as
they should be.

In: the values of rows with the same paths, by path. Out: a numpy array for every path all of whose
values have the right type and stand within the catalogue's bounds. A path that is not among them is
read value by value in ``objects``, which finds what is wrong; so this says nothing about faults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motorcade.signals.catalogue import Signal

__all__ = ["arrays_of"]

_NUMBERS: Final = frozenset({int, float})
_EXACT: Final = float((1 << 53) - 1)
"""Up to here a float tells every whole number apart; larger ones are read value by value."""

_FACTS_MAX: Final = 1024
"""Kinds of signals that are remembered: types, bounds and words repeat, so the whole catalogue of
1,700 signals has fewer."""


class _Facts(NamedTuple):
    """What the values of a signal have to be. ``kind``: ``number``, ``flag``, ``word`` or empty
    for what is not read here; ``low`` and ``high`` bound numbers; ``codes`` by word."""

    kind: str
    dtype: np.dtype[Any] = np.dtype(np.float64)
    low: float = -_EXACT
    high: float = _EXACT
    codes: Mapping[Any, int] = {}


def arrays_of(
    signals: Sequence[Signal | None], table: Sequence[Sequence[Any]]
) -> dict[int, NDArray[Any]]:
    """By place in ``signals`` the values of ``table[place]`` as an array (n) of the signal's type,
    words as codes; only those that are whole and right. None stands for a path nobody knows."""
    made: dict[int, NDArray[Any]] = {}
    numbers: list[tuple[int, _Facts]] = []
    for place, (signal, values) in enumerate(zip(signals, table, strict=True)):
        if signal is None:
            continue
        facts = _facts(signal.datatype, signal.words, signal.min, signal.max)
        if facts.kind == "number":
            if _NUMBERS.issuperset(map(type, values)):
                numbers.append((place, facts))
        elif facts.kind == "word":
            codes = _codes(facts.codes, values)
            if codes is not None:
                made[place] = codes
        elif facts.kind == "flag" and set(map(type, values)) == {bool}:
            made[place] = np.fromiter(values, bool, len(values))
    if numbers:
        made.update(_numbers(numbers, table))
    return made


def _codes(codes: Mapping[Any, int], values: Sequence[Any]) -> NDArray[Any] | None:
    """Words, or the codes of words, as codes; None where one is neither, or both are there."""
    if set(map(type, values)) == {int}:
        if min(values) >= 0 and max(values) < len(codes):
            return np.fromiter(values, np.uint8, len(values))
        return None
    try:
        return np.fromiter(map(codes.__getitem__, values), np.uint8, len(values))
    except (KeyError, TypeError):
        return None


def _numbers(
    wanted: Sequence[tuple[int, _Facts]], table: Sequence[Sequence[Any]]
) -> dict[int, NDArray[Any]]:
    """The columns of numbers, as one block: uint8 to float64 alike, until each is what it is."""
    rows = len(table[wanted[0][0]])
    flat = chain.from_iterable(table[place] for place, _ in wanted)
    try:
        block = np.fromiter(flat, np.float64, len(wanted) * rows).reshape(len(wanted), rows)
    except OverflowError:
        return {}
    single = [row for row, (_, facts) in enumerate(wanted) if facts.dtype == np.float32]
    with np.errstate(over="ignore"):  # infinite is outside all bounds
        narrow = block[single].astype(np.float32)
    block[single] = narrow  # bounds are compared with what is stored
    low = np.array([facts.low for _, facts in wanted])
    high = np.array([facts.high for _, facts in wanted])
    # A NaN makes the comparison false.
    good = (block.min(axis=1) >= low) & (block.max(axis=1) <= high)
    made: dict[int, NDArray[Any]] = {}
    narrowed = iter(narrow)
    for (place, facts), values, fits in zip(wanted, block, good.tolist(), strict=True):
        column = next(narrowed) if facts.dtype == np.float32 else values
        if fits and facts.dtype.kind != "f":
            column = values.astype(facts.dtype)
            if not (column == values).all():
                continue  # a fraction
        if fits:
            made[place] = column
    return made


@lru_cache(maxsize=_FACTS_MAX)
def _facts(datatype: str, words: tuple[str, ...], low: float | None, high: float | None) -> _Facts:
    if words:
        return _Facts("word", codes={word: code for code, word in enumerate(words)})
    if datatype == "boolean":
        return _Facts("flag")
    if datatype == "string" or datatype.endswith("[]"):
        return _Facts("")
    dtype = np.dtype(_NAMES.get(datatype, datatype))
    ends = (-_EXACT, _EXACT)
    if dtype.kind in "iu":
        ends = (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
    return _Facts(
        "number",
        dtype,
        max(-_EXACT, ends[0], -_EXACT if low is None else low),
        min(_EXACT, ends[1], _EXACT if high is None else high),
    )


_NAMES: Final = {"float": "float32", "double": "float64"}
"""What VSS calls two types, as numpy does; the others have the same names."""
