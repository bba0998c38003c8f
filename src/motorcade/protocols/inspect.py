"""Frames for people: every frame and every unreadable piece of a stream as one JSON-able object.

The objects have the same keys for every protocol; ``motorcade decode`` prints them one a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from motorcade.errors import Invalid
from motorcade.protocols.frames import Reject

__all__ = ["describe_stream", "described", "described_reject"]


def describe_stream(
    protocol: ModuleType,
    data: bytes,
    *,
    key: bytes | None = None,
    custom: Any = None,
    now: int | None = None,
) -> Iterator[dict[str, Any]]:
    """What a stream of one peer holds, in its order.

    ``key`` opens encrypted payloads, ``custom`` is a tenant's table of custom items (as from JSON),
    ``now`` (µs UTC) the time answers carry; without it a message's own. ``Invalid`` where the
    protocol cannot use a key or a table.
    """
    settings = None
    if key is not None or custom is not None:
        make = getattr(protocol, "settings_of", None)
        if make is None:
            raise Invalid(f"{protocol.NAME} knows neither keys nor custom items")
        settings = make(key=key, custom=custom)
    found = protocol.cut([data])
    session = protocol.Session()
    rejects = iter(found.rejects)
    at = 0
    for row in range(len(found.frames)):
        begin = int(found.frames.offset[row])
        yield from _gap(protocol.NAME, rejects, begin - at)
        yield protocol.describe(found.frames.bytes_of(row), session, settings=settings, now=now)
        at = begin + int(found.frames.length[row])
    for reject in rejects:
        yield described_reject(protocol.NAME, reject)
    tail = found.remainder.get(0, b"")
    if tail:
        whole = getattr(protocol, "frame_length", lambda begun: None)(tail)
        of = f"{len(tail)} of {whole}" if whole else f"{len(tail)} of its"
        reason = f"The stream ends inside a frame, after {of} bytes."
        yield described_reject(protocol.NAME, Reject("incomplete", reason, tail))


def described(protocol: str, message: str | None = None, **known: Any) -> dict[str, Any]:
    """The object with all its keys, in order; ``known`` fills them."""
    empty: dict[str, Any] = {
        "protocol": protocol,
        "message": message,
        "vin": None,
        "event_time": None,
        "signals": {},
        "quality": {},
        "raw": {},
        "reply": None,
        "reject": None,
    }
    return {**empty, **known}


def described_reject(protocol: str, reject: Reject) -> dict[str, Any]:
    """Bytes that are no frame."""
    return described(
        protocol,
        raw={"hex": reject.data.hex()},
        reject={"code": reject.code, "reason": reject.reason},
    )


def _gap(name: str, rejects: Iterator[Reject], size: int) -> Iterator[dict[str, Any]]:
    """The rejects that fill the bytes between two frames. Long ones keep only their beginning, so
    the first reject takes the whole gap when it is one."""
    while size > 0:
        reject = next(rejects, None)
        if reject is None:
            return
        yield described_reject(name, reject)
        size -= len(reject.data)
