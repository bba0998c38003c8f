"""Query parameters: instants, durations, boxes, signal lists, limits and cursors, read and checked.

Every reader takes the field's name and its text and raises ``Invalid`` naming the field, so that
the answer says which parameter to mend."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NoReturn

import msgspec
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from motorcade import limits
from motorcade.errors import Invalid, NotFound
from motorcade.signals.catalogue import Catalogue
from motorcade.twin.predicate import Predicate, parse

__all__ = [
    "Bbox",
    "Box",
    "Cursor",
    "From",
    "Number",
    "Signals",
    "TenantName",
    "Until",
    "Vin",
    "Where",
    "box",
    "cursor",
    "duration",
    "instant",
    "limit",
    "period",
    "predicate",
    "read_cursor",
    "refuse",
    "signals",
]

_UNITS_US: Final = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d|w)")
_NUMBER: Final = re.compile(r"\d{1,17}(?:\.\d{1,9})?")
_DAY_US: Final = 86_400_000_000
_TIME_MAX_US: Final = 4_102_444_800_000_000  # 2100-01-01: later is a mistake in the unit

TenantName = Annotated[
    str | None,
    QueryParameter(description="Whose data; for platform keys. A tenant's key may leave it out."),
]
"""The ``tenant`` parameter of every route that is about one tenant."""

Signals = Annotated[
    str | None,
    QueryParameter(
        description="Signal paths, separated by commas; `Vehicle.Powertrain.*` means all below.",
        examples=[Example(value="Vehicle.Speed,Vehicle.CurrentLocation.*")],
    ),
]
"""The ``signals`` parameter."""

Bbox = Annotated[
    str | None,
    QueryParameter(
        description="`west,south,east,north` in degrees; west above east crosses"
        " the 180th meridian.",
        examples=[Example(value="120.9,30.9,121.9,31.5")],
    ),
]
"""The ``bbox`` parameter."""

Where = Annotated[
    str | None,
    QueryParameter(
        description="A predicate over signals: comparisons with `= != < <= > >=`, `BETWEEN`, `IN`,"
        " `IS NULL`, joined by `AND`, `OR`, `NOT` and brackets. Values in catalogue units.",
        examples=[Example(value="Vehicle.Speed > 80 AND Vehicle.IsMoving")],
    ),
]
"""The ``where`` parameter."""

Cursor = Annotated[
    str | None, QueryParameter(description="Where the next page begins: `next` of the page before.")
]
"""The ``cursor`` parameter."""

From = Annotated[
    str | None,
    QueryParameter(
        name="from",
        description="From when, inclusive: ISO 8601, seconds since 1970, or `-1h` before now."
        " A day before `to` where left out.",
        examples=[Example(value="-1h")],
    ),
]
"""The ``from`` parameter of what lies in a period."""

Until = Annotated[
    str | None,
    QueryParameter(
        name="to",
        description="Until when, exclusive; now where left out.",
        examples=[Example(value="2026-11-22T09:00:00Z")],
    ),
]
"""The ``to`` parameter."""

Vin = Annotated[
    str,
    PathParameter(
        description="Vehicle identification number, 17 characters.",
        examples=[Example(value="LNSTEST0000000001")],
    ),
]
"""The ``{vin}`` of a path."""

Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""What a cursor over vehicle numbers holds."""

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees (WGS 84)."""


def refuse(field: str, message: str) -> NoReturn:
    """Raise ``Invalid`` about one field."""
    raise Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])


def instant(field: str, text: str | None, now_us: int) -> int | None:
    """A moment in microseconds UTC: ISO 8601 (UTC where it names no zone), seconds, milliseconds or
    microseconds since 1970, ``now``, or relative to now as ``-1h``."""
    if text is None:
        return None
    text = _bounded(field, text).strip()
    if text == "now":
        return now_us
    if text.startswith("-") and _DURATION.fullmatch(text[1:]):
        return max(0, now_us - _duration_us(field, text[1:]))
    moment = _epoch_us(float(text)) if _NUMBER.fullmatch(text) else _iso_us(field, text)
    if not 0 <= moment <= _TIME_MAX_US:
        refuse(field, "must lie between 1970 and 2100")
    return moment


def period(from_: str | None, to: str | None, now_us: int) -> tuple[int, int]:
    """From when (inclusive) until when (exclusive), in microseconds; the last day where neither is
    given."""
    start, end = instant("from", from_, now_us), instant("to", to, now_us)
    until = now_us + 1 if end is None else end
    since = max(0, until - _DAY_US) if start is None else start
    if since > until:
        refuse("from", "must not be after `to`")
    return since, until


def duration(field: str, text: str | None) -> int | None:
    """A positive span in microseconds: ``250ms``, ``10s``, ``5m``, ``1h``, ``1d``, ``1w``."""
    if text is None:
        return None
    span = _duration_us(field, _bounded(field, text).strip())
    if span < 1:
        refuse(field, "must be longer than nothing")
    return span


def box(field: str, text: str | None) -> Box | None:
    """``west,south,east,north`` in degrees; west above east crosses the 180th meridian."""
    if text is None:
        return None
    parts = _bounded(field, text).split(",")
    try:
        west, south, east, north = (float(part) for part in parts)
    except ValueError:
        refuse(field, "must be west,south,east,north in degrees, as 120.9,30.9,121.9,31.5")
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        refuse(field, "longitudes lie in -180…180, latitudes in -90…90, south below north")
    return west, south, east, north


def signals(field: str, text: str | None, catalogue: Catalogue) -> list[str] | None:
    """Signal paths, comma-separated; ``Branch.*`` means every signal below. ``None`` where not
    asked."""
    if text is None:
        return None
    patterns = [part.strip() for part in _bounded(field, text).split(",") if part.strip()]
    if not patterns:
        return None
    if len(patterns) > limits.API_SIGNALS_MAX:
        refuse(field, f"names more than {limits.API_SIGNALS_MAX} signals")
    try:
        return [signal.path for signal in catalogue.select(patterns)]
    except NotFound as error:
        refuse(field, error.detail)


def predicate(field: str, text: str | None, catalogue: Catalogue) -> Predicate | None:
    """A ``where`` predicate, parsed."""
    if text is None or not text.strip():
        return None
    try:
        return parse(_bounded(field, text), catalogue)
    except Invalid as error:
        refuse(field, error.detail)


def limit(field: str, value: int | None, default: int, most: int) -> int:
    """How many rows a caller wants, ``default`` where it does not say."""
    if value is None:
        return default
    if not 1 <= value <= most:
        refuse(field, f"must lie between 1 and {most}")
    return value


def cursor(position: Any) -> str:
    """An opaque text for where the next page begins."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).rstrip(b"=").decode()


def read_cursor(text: str | None, kind: Any, field: str = "cursor") -> Any:
    """What ``cursor`` was given; ``None`` for no cursor."""
    if text is None:
        return None
    padded = _bounded(field, text) + "=" * (-len(text) % 4)
    try:
        return msgspec.msgpack.decode(base64.b64decode(padded, b"-_", validate=True), type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        refuse(field, "is not one that this address gave out")


def _bounded(field: str, text: str) -> str:
    if len(text) > limits.API_PARAMETER_CHARS_MAX:
        refuse(field, f"is longer than {limits.API_PARAMETER_CHARS_MAX} characters")
    return text


def _duration_us(field: str, text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        refuse(field, "must be a number with a unit, as 10s, 5m, 1h or 1d")
    return round(float(match[1]) * _UNITS_US[match[2]])


def _epoch_us(number: float) -> int:
    """Seconds until the year 5138, above that milliseconds, above that microseconds."""
    if number < 1e11:
        return round(number * 1e6)
    return round(number * 1e3) if number < 1e14 else round(number)


def _iso_us(field: str, text: str) -> int:
    try:
        # A plus sign in a query string arrives as a space unless it was escaped.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        refuse(field, "must be ISO 8601, seconds since 1970, or relative as -1h")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    span = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
