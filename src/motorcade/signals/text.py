"""How values look to people: one rendering for the command line, the API and exports.

In: values as batches, the twin and tables hold them. Out: what JSON can say: numbers with the
shortest decimals that mean the same, words for codes, times as ISO 8601 with ``Z``, null for what
is no number.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from motorcade.errors import Invalid
from motorcade.signals.catalogue import Signal
from motorcade.signals.words import to_words

__all__ = [
    "plain",
    "plain_float",
    "plain_column",
    "shown",
    "shown_column",
    "bits_set",
    "iso_time",
    "iso_times",
    "parse_time",
]

_SECOND_US: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1)
_FLOAT32: Final = Struct("f")
_SAFE: Final = 3e38
"""Below this a rounding to seven digits cannot leave the range of a float32."""


def plain_float(value: float) -> float | None:
    """A float32's value as the shortest decimal that reads back as the same float32.

    ``0.10000000149011612`` becomes ``0.1``; NaN and the infinities become None.
    """
    if not math.isfinite(value):
        return None
    short = float(f"{value:.7g}")
    if abs(short) < _SAFE and _FLOAT32.unpack(_FLOAT32.pack(short))[0] == value:
        return short
    return float(str(np.float32(value)))


def plain(value: Any) -> Any:
    """One value without its type's dress, for JSON: numpy and Arrow scalars, lists, times, bytes.

    A numpy float32 is shortened; a Python float is taken for a float64 and kept (see ``shown``).
    """
    if isinstance(value, pa.Scalar):
        (value,) = plain_column(pa.array([value]))
    if isinstance(value, np.float32):
        return plain_float(float(value))
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(element) for element in value]
    if isinstance(value, datetime):
        return iso_time(round(value.timestamp() * _SECOND_US))
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return value


def plain_column(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """A whole Arrow column as ``plain`` would give its values, at Arrow's speed."""
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in plain_column(chunk)]
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _plain_times(column)
    if pa.types.is_list(kind):
        return _plain_lists(column)
    if pa.types.is_dictionary(kind):
        return list(column.to_pylist())
    if pa.types.is_binary(kind):
        return [None if value is None else value.hex() for value in column.to_pylist()]
    if pa.types.is_floating(kind):
        # Arrow writes the shortest decimals of the column's own width; float64 reads them exactly.
        wide = column if kind == pa.float64() else column.cast(pa.string()).cast(pa.float64())
        return list(pc.if_else(pc.is_finite(wide), wide, pa.scalar(None, pa.float64())).to_pylist())
    return list(column.to_pylist())


def shown(signal: Signal, value: Any) -> Any:
    """One carried value as people see it: the word of a code, a short float, a list of them."""
    if value is None:
        return None
    if signal.is_enum and not isinstance(value, str):
        return signal.words[value] if value < len(signal.words) else None
    if signal.datatype == "float":
        return plain_float(value)
    if signal.datatype == "float[]":
        return [None if element is None else plain_float(element) for element in value]
    return plain(value)


def shown_column(signal: Signal, column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """A carried or stored column as people see it."""
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in shown_column(signal, chunk)]
    if signal.is_enum and column.type == pa.uint8():
        return list(to_words(signal, column).to_pylist())
    return plain_column(column)


def bits_set(signal: Signal, mask: int) -> list[str]:
    """The names of the bits set in a mask, ``BIT_n`` where a bit has none."""
    names = signal.bits
    return [
        names[bit] if bit < len(names) else f"BIT_{bit}"
        for bit in range(mask.bit_length())
        if mask >> bit & 1
    ]


def iso_time(us: int) -> str:
    """``2025-10-27T12:02:02Z`` of microseconds since 1970 UTC; six decimals unless all zero."""
    return f"{(_EPOCH + timedelta(microseconds=us)).isoformat()}Z"


def iso_times(us: ArrayLike) -> list[str]:
    """``iso_time`` of many: int64 microseconds in, strings out."""
    stamp = np.asarray(us, dtype=np.int64)
    seconds = np.datetime_as_string(stamp.astype("M8[us]"), unit="s")
    micros = np.datetime_as_string(stamp.astype("M8[us]"), unit="us")
    chosen = np.where(stamp % _SECOND_US == 0, seconds, micros)
    return [f"{text}Z" for text in chosen.tolist()]


def parse_time(text: str) -> int:
    """Microseconds since 1970 UTC of an ISO 8601 time that names its zone; ``Invalid`` else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is no ISO 8601 time such as 2025-10-27T12:02:02Z") from None
    if moment.tzinfo is None:
        raise Invalid(f"{text!r} names no time zone; end it with Z for UTC")
    past = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * _SECOND_US + past.microseconds


def _plain_times(column: pa.Array) -> list[str | None]:
    us = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    texts = iso_times(us.fill_null(0).to_numpy(zero_copy_only=False))
    if us.null_count == 0:
        return list(texts)
    valid = us.is_valid().to_pylist()
    return [text if there else None for text, there in zip(texts, valid, strict=True)]


def _plain_lists(column: pa.Array) -> list[list[Any] | None]:
    elements = plain_column(column.flatten())
    counts = column.value_lengths().to_pylist()
    result: list[list[Any] | None] = []
    start = 0
    for count in counts:
        result.append(None if count is None else elements[start : start + count])
        start += count or 0
    return result
