"""Texts inside items. They are rare, so each is read by itself."""

from __future__ import annotations

import math
import re
from typing import Any

from motorcade.signals.text import iso_time
from motorcade.wire.bcd import read_bcd_time

__all__ = ["read_text"]


def read_text(data: bytes, form: str) -> Any:
    """One text in a form of ``layout.Text``; None where it says nothing."""
    if form == "text":
        return data.decode("gb18030", "replace").strip("\0 ") or None
    if form == "digits":
        return data.hex().rstrip("f") or None
    if form == "imei":
        return data.hex()[-15:]
    if form == "time":
        moment = read_bcd_time(data)
        return None if moment is None else iso_time(moment)
    if form == "words":
        return re.findall(r"[^\s,;\0]+", data.decode("gb18030", "replace"))
    if form.startswith("obd:"):
        return _spoken(data, int(form[4:]))
    return data.hex()


def _spoken(data: bytes, place: int) -> float | None:
    """A number out of ``$OBD-RT,12.3,…``."""
    words = data.decode("ascii", "replace").split(",")
    try:
        value = float(words[place])
    except (IndexError, ValueError):
        return None
    return value if math.isfinite(value) else None
