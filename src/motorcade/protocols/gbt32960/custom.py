"""Custom information items (0x80 to 0xFE) decoded by a tenant's own table. The bytes stay in
``raw`` as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.errors import Invalid
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

Ints = NDArray[np.int64]


def check_tables(catalogue: Catalogue, tables: tuple[CustomTable, ...]) -> None:
    """``Invalid`` where a table names what does not exist: its type, a path, a unit or a word."""
    for table in tables:
        if not 0x80 <= table.type <= 0xFE:
            raise Invalid(
                f"type 0x{table.type:02X} is not a custom information type (0x80 to 0xFE)"
            )
        for one in table.fields:
            signal = catalogue.find(one.path)
            if signal.is_list or (signal.datatype == "string" and not signal.is_enum):
                raise Invalid(f"{one.path} is no number; a custom field can only fill numbers")
            if not one.codes:
                linear(one.unit or signal.unit, signal.unit)
            unknown = set(one.codes.values()) - set(signal.words) if signal.is_enum else set()
            if unknown or (signal.is_enum and not one.codes):
                raise Invalid(f"{one.path} wants codes for its words: {', '.join(signal.words)}")


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
    fits = here & (custom.count >= one.offset + width)
    if signal is None or not fits.any():
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
        values = (raw * one.scale + one.add) * step.factor + step.offset
    target = signal.arrow_type
    if pa.types.is_integer(target):
        span = np.iinfo(target.to_pandas_dtype())
        values = np.rint(values)
        wrong = ~((values >= span.min) & (values <= span.max))
    else:
        wrong = ~np.isfinite(values)
    quality[wrong] = int(Quality.INVALID)
    return np.where(wrong, 0, values)
