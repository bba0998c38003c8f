"""One vehicle's state as JSON bytes: the innermost step of the most asked address."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from motorcade import limits
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue
from motorcade.signals.text import iso_time, plain_float, shown
from motorcade.twin.reader import State

__all__ = ["encoded"]

_encode: Final = msgspec.json.Encoder().encode
_VALID: Final = Quality.VALID

# Vehicles report in steps of 0.1 or 1, so the same few thousand numbers come again and again, and a
# look-up is ten times cheaper than shortening. Pure functions: remembering them is no state.
_short: Final = lru_cache(limits.API_FLOATS_CACHED_MAX)(plain_float)
_iso: Final = lru_cache(limits.API_TIMES_CACHED_MAX)(iso_time)


def encoded(vin: str, state: State | None, catalogue: Catalogue) -> bytes:
    """``{"vin", "event_time", "signals": {path: {"value", "time"[, "quality"]}}}``, paths in the
    order of the alphabet; None is a vehicle that never reported."""
    if state is None:
        return _encode({"vin": vin, "event_time": None, "signals": {}})
    signals: dict[str, dict[str, Any]] = {}
    for path in sorted(state.signals):
        value, time_us, quality = state.signals[path]
        if quality is not _VALID:
            word = quality.name.lower()
            signals[path] = {"value": None, "time": _iso(time_us), "quality": word}
            continue
        signal = catalogue[path]
        if signal.datatype == "float":
            value = _short(value)
        elif type(value) is not int and type(value) is not bool:
            value = shown(signal, value)
        signals[path] = {"value": value, "time": _iso(time_us)}
    return _encode({"vin": vin, "event_time": _iso(state.event_time_us), "signals": signals})
