"""Custom information items (0x80 to 0xFE) decoded by a tenant's own table. The bytes stay in
``raw`` as well."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.limits import CUSTOM_CODES_MAX, CUSTOM_FIELDS_MAX
from motorcade.protocols.gbt32960.plan import Plan
from motorcade.protocols.gbt32960.settings import CustomField, CustomTable, TenantSettings
from motorcade.protocols.gbt32960.sink import Sink
from motorcade.protocols.gbt32960.walk import Found
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue, Signal
from motorcade.signals.units import linear

__all__ = ["collect_custom", "check_tables"]

_FORMATS: Final = {
    "u8": "u1",
    "u16": ">u2",
    "u32": ">u4",
    "i8": "i1",
    "i16": ">i2",
    "i32": ">i4",
    "u16le": "<u2",
    "u32le": "<u4",
    "i16le": "<i2",
    "i32le": "<i4",
}

_ITEM_BYTES_MAX: Final = 65_535

Ints = NDArray[np.int64]


def check_tables(catalogue: Catalogue, tables: tuple[CustomTable, ...]) -> None:
    """``Invalid`` where a table names what does not exist (its type, a path, a unit, a word) or a
    number that cannot be: an offset outside an item, a shift or mask beyond the value's bits."""
    types = [table.type for table in tables]
    for number in types:
        if not 0x80 <= number <= 0xFE or types.count(number) > 1:
            raise Invalid(
                f"type 0x{number:02X}: custom information types are 0x80 to 0xFE (128 to 254), "
                "each once"
            )
    if sum(len(table.fields) for table in tables) > CUSTOM_FIELDS_MAX:
        raise Invalid(f"custom tables have {CUSTOM_FIELDS_MAX} fields together at most")
    for one in (one for table in tables for one in table.fields):
        signal = catalogue.find(one.path)
        if not _is_number(signal):
            raise Invalid(f"{one.path} is no number; a custom field can only fill numbers")
        wrong = _beyond(one)
        if wrong:
            raise Invalid(f"{one.path}: {wrong}")
        if signal.is_enum:
            if not one.codes or set(one.codes.values()) - set(signal.words):
                raise Invalid(f"{one.path} wants codes for its words: {', '.join(signal.words)}")
        elif one.codes:
            raise Invalid(f"{one.path} is no enumeration and takes no codes")
        else:
            linear(one.unit or signal.unit, signal.unit)


def collect_custom(
    plan: Plan,
    buffer: NDArray[np.uint8],
    custom: Found,
    *,
    tenants: NDArray[np.uint32],
    settings: Mapping[int, TenantSettings],
    sink: Sink,
) -> None:
    """Put the values of custom items of tenants with tables into the sink; ``tenants`` by row."""
    kind = buffer[custom.at]
    for tenant, known in settings.items():
        for table in known.custom:
            here = (kind == table.type) & (tenants[custom.rows] == tenant)
            if not here.any():
                continue
            for one in table.fields:
                _field(plan, buffer, custom, here, one=one, sink=sink)


def _field(
    plan: Plan,
    buffer: NDArray[np.uint8],
    custom: Found,
    here: NDArray[np.bool_],
    *,
    one: CustomField,
    sink: Sink,
) -> None:
    width = np.dtype(_FORMATS[one.format]).itemsize
    signal = plan.catalogue.get(one.path)
    if signal is None or not _is_number(signal) or _beyond(one):
        return
    fits = here & (custom.count >= one.offset + width)
    if not fits.any():
        return
    begin = custom.at[fits] + 3 + one.offset
    windows: NDArray[Any] = np.ndarray(
        (len(buffer) - width + 1,), dtype=_FORMATS[one.format], buffer=buffer, strides=(1,)
    )
    raw = windows[begin].astype(np.int64) >> one.shift
    if one.mask:
        raw &= one.mask
    quality = np.full(len(raw), int(Quality.VALID), np.uint8)
    values = _values(one, signal, raw, quality)
    if one.invalid is not None:
        quality[raw == one.invalid] = int(Quality.INVALID)
    if one.abnormal is not None:
        quality[raw == one.abnormal] = int(Quality.ABNORMAL)
    sink.put_extra(signal, custom.rows[fits], values, quality)


def _is_number(signal: Signal) -> bool:
    """Whether one number is a value of this signal."""
    return not signal.is_list and (signal.datatype != "string" or signal.is_enum)


def _beyond(one: CustomField) -> str:
    """Which number of a field cannot be, in words; empty where all can.

    ``decode`` asks this too: an offset before an item would read another vehicle's bytes.
    """
    bits = 8 * np.dtype(_FORMATS[one.format]).itemsize
    if not 0 <= one.offset <= _ITEM_BYTES_MAX - bits // 8:
        return f"offset is 0 to {_ITEM_BYTES_MAX - bits // 8}"
    if not 0 <= one.shift < bits:
        return f"shift is 0 to {bits - 1}"
    if not 0 <= one.mask < 1 << bits:
        return f"mask is 0 to {(1 << bits) - 1}"
    if len(one.codes) > CUSTOM_CODES_MAX:
        return f"codes are {CUSTOM_CODES_MAX} at most"
    markers = [number for number in (one.invalid, one.abnormal) if number is not None]
    if any(not -(1 << 31) <= number < 1 << 32 for number in (*one.codes, *markers)):
        return "codes, invalid and abnormal are numbers of 32 bits at most"
    if not math.isfinite(one.scale) or not math.isfinite(one.add):
        return "scale and add are finite"
    return ""


def _values(
    one: CustomField, signal: Signal, raw: Ints, quality: NDArray[np.uint8]
) -> NDArray[Any]:
    """Values in the catalogue's unit; what does not fit its type is marked invalid."""
    if one.codes:
        words = {word: code for code, word in enumerate(signal.words)}
        values = np.full(len(raw), np.nan)
        for code, word in one.codes.items():
            values[raw == code] = words.get(word, np.nan)
    else:
        try:
            step = linear(one.unit or signal.unit, signal.unit)
        except Invalid:
            quality[:] = int(Quality.INVALID)
            return np.zeros(len(raw))
        with np.errstate(all="ignore"):
            values = (raw * one.scale + one.add) * step.factor + step.offset
    target = signal.arrow_type
    if pa.types.is_integer(target):
        span = np.iinfo(target.to_pandas_dtype())
        values = np.rint(values)
        # The 64-bit maxima have no float of their own: the next above them is out of range.
        wrong = ~((values >= span.min) & (values < float(span.max + 1)))
    elif pa.types.is_floating(target):
        wrong = ~(np.abs(values) <= np.finfo(target.to_pandas_dtype()).max)
    else:
        wrong = ~np.isfinite(values)
    quality[wrong] = int(Quality.INVALID)
    return np.where(wrong, 0, values)
