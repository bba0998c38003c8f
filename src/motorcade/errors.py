"""The error tree: every error says who is at fault and carries a stable code.

Codes are part of the public interface: they stand in API answers (RFC 9457 ``type``) and travel
between processes. ``docs/errors.md`` lists them and is tested against this file. What is wrong with
a frame has codes of its protocol (``protocols.frames.Reject``), in the quarantine and in the output
of ``motorcade decode``.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "MotorcadeError",
    "PeerError",
    "FrameError",
    "MessageError",
    "CallerError",
    "Invalid",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "Conflict",
    "PreconditionFailed",
    "TooSlow",
    "CapacityError",
    "DependencyError",
    "CorruptionError",
]


class MotorcadeError(Exception):
    """Base of every error this platform raises on purpose; anything else is our bug."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Motorcade could not do what was asked"

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class PeerError(MotorcadeError):
    """A vehicle or peer platform broke its standard; only that peer pays for it."""

    code = "peer"
    status = 400
    title = "A peer broke its protocol"


class FrameError(PeerError):
    """Bytes that cannot be cut into a frame: start, length or checksum is wrong."""

    code = "peer.frame"
    title = "A frame could not be read"


class MessageError(PeerError):
    """A well-formed frame whose content breaks the standard."""

    code = "peer.message"
    title = "A message could not be read"


class CallerError(MotorcadeError):
    """The caller asked for something that cannot be; the detail says what to do."""

    code = "caller"
    status = 400
    title = "The request cannot be served"


class Invalid(CallerError):
    """A value is malformed or out of range."""

    code = "caller.invalid"
    title = "A value is not valid"


class Unauthorized(CallerError):
    """No credentials, or credentials nobody knows."""

    code = "caller.unauthorized"
    status = 401
    title = "Credentials are missing or unknown"


class Forbidden(CallerError):
    """The caller is known, and may not do this."""

    code = "caller.forbidden"
    status = 403
    title = "This key may not do that"


class NotFound(CallerError):
    """There is no such thing, or none that the caller may know of."""

    code = "caller.not_found"
    status = 404
    title = "No such thing"


class Conflict(CallerError):
    """The thing exists already, or is held by someone else."""

    code = "caller.conflict"
    status = 409
    title = "It exists already"


class PreconditionFailed(CallerError):
    """What the caller made a condition (``If-Match``, ``If-None-Match``) does not hold."""

    code = "caller.precondition"
    status = 412
    title = "It has changed meanwhile"


class TooSlow(CallerError):
    """What the caller sends does not arrive in time; others wait for the place it holds."""

    code = "caller.too_slow"
    status = 408
    title = "It does not arrive in time"


class CapacityError(MotorcadeError):
    """A limit of ``limits`` is reached; try again after ``retry_after_s`` seconds."""

    code = "capacity"
    status = 429
    title = "A limit is reached"

    def __init__(self, detail: str, retry_after_s: float = 1.0, **facts: Any) -> None:
        super().__init__(detail, **facts)
        self.retry_after_s = retry_after_s


class DependencyError(MotorcadeError):
    """An engine (NATS, PostgreSQL, the disk) does not answer; the same call may succeed later."""

    code = "dependency"
    status = 503
    title = "An engine does not answer"


class CorruptionError(MotorcadeError):
    """Stored data contradicts itself; nothing is guessed, a person has to look."""

    code = "corruption"
    title = "Stored data is damaged"
