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


def encoded(vin: str, state: State, catalogue: Catalogue) -> bytes:
    """``{"vin", "event_time", "signals": {path: {"value", "time"[, "quality"]}}}``."""
    signals: dict[str, dict[str, Any]] = {}
    for path, (value, time_us, quality) in state.signals.items():
        if quality is not _VALID:
            word = quality.name.lower()
            signals[path] = {"value": None, "time": _iso(time_us), "quality": word}
            continue
        signal = catalogue[path]
        if signal.datatype == "float":
            value = _short(value)  # noqa: PLW2901
        elif type(value) is not int and type(value) is not bool:
            value = shown(signal, value)  # noqa: PLW2901
        signals[path] = {"value": value, "time": _iso(time_us)}
    return _encode({"vin": vin, "event_time": _iso(state.event_time_us), "signals": signals})
