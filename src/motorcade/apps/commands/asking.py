"""What a caller asks: a command before it has a number, checked and with its defaults filled in."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from motorcade import limits
from motorcade.apps.commands.row import Row
from motorcade.apps.commands.rules import CLASSES, KINDS, check
from motorcade.errors import Invalid
from motorcade.signals.catalogue import Catalogue

__all__ = ["Asked", "ask", "digest_of", "id_before", "new_id", "past_deadline", "row_for"]

_KEY_MAX: Final = 100


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A command that may be. ``ttl_us`` or ``deadline_us`` says how long it may wait."""

    kind: str
    parameters: dict[str, Any]
    message_class: str
    priority: int
    tries_max: int = 0
    ttl_us: int = 0
    deadline_us: int = 0
    idempotency: str | None = None
    maker: str = ""

    def until_us(self, now_us: int) -> int:
        """The deadline of one that is made now."""
        return self.deadline_us or now_us + self.ttl_us

    def late(self, now_us: int) -> bool:
        """Whether its deadline is past: it can only repeat what was made before."""
        return 0 < self.deadline_us <= now_us


def ask(
    kind: str,
    parameters: Mapping[str, Any],
    catalogue: Catalogue,
    now_us: int,
    *,
    deadline_us: int | None = None,
    ttl_s: float | None = None,
    priority: int | None = None,
    message_class: str | None = None,
    tries_max: int = 0,
    idempotency: str | None = None,
    maker: str = "",
) -> Asked:
    """A checked command; ``Invalid`` names what is wrong. With an idempotency key it may be
    ``late``: what was asked once must be answered as it was then."""
    good = check(kind, parameters, catalogue)
    chosen = message_class or KINDS[kind].message_class
    if chosen not in CLASSES:
        raise _wrong("class", f"must be one of {', '.join(CLASSES)}")
    if priority is not None and not 0 <= priority <= limits.COMMAND_PRIORITY_MAX:
        raise _wrong("priority", f"must lie between 0 and {limits.COMMAND_PRIORITY_MAX}")
    if not 0 <= tries_max <= 1_000:
        raise _wrong("tries_max", "must lie between 0 and 1000")
    if idempotency is not None and not _is_key(idempotency):
        raise _wrong("idempotency_key", f"must be 1 to {_KEY_MAX} printable ASCII characters")
    if deadline_us is not None and ttl_s is not None:
        raise _wrong("deadline", "give deadline or ttl_s, not both")
    if deadline_us is not None and (
        deadline_us > now_us + _TTL_MAX_US or (deadline_us <= now_us and idempotency is None)
    ):
        raise past_deadline()
    if ttl_s is not None and not 1 <= ttl_s <= limits.COMMAND_TTL_S_MAX:
        raise _wrong("ttl_s", f"must lie between 1 and {limits.COMMAND_TTL_S_MAX}")
    if deadline_us is None and ttl_s is None:
        ttl_s = limits.COMMAND_TTL_S_DEFAULT
    return Asked(
        kind=kind,
        parameters=good,
        message_class=chosen,
        priority=CLASSES[chosen] if priority is None else priority,
        tries_max=tries_max,
        ttl_us=round((ttl_s or 0) * 1e6),
        deadline_us=deadline_us or 0,
        idempotency=idempotency,
        maker=maker,
    )


def row_for(
    asked: Asked,
    tenant: int,
    vehicle: int,
    *,
    partitions: int,
    now_us: int,
    bulk: UUID | None = None,
) -> Row:
    """The command for one vehicle, made now; it has no number yet."""
    return Row(
        id=new_id(now_us),
        tenant=tenant,
        vehicle=vehicle,
        partition=vehicle % partitions,
        number=0,
        kind=asked.kind,
        parameters=asked.parameters,
        message_class=asked.message_class,
        priority=asked.priority,
        tries_max=asked.tries_max,
        made_us=now_us,
        deadline_us=asked.until_us(now_us),
        maker=asked.maker,
        bulk=bulk,
    )


def new_id(now_us: int) -> UUID:
    """A name never given again, those made later the greater (UUID version 7, RFC 9562)."""
    made_ms = now_us // 1_000 & (1 << 48) - 1
    random = secrets.randbits(74)
    high = made_ms << 16 | 7 << 12 | random >> 62
    return UUID(int=high << 64 | 2 << 62 | random & (1 << 62) - 1)


def past_deadline() -> Invalid:
    """What a deadline that cannot be is answered with."""
    return _wrong("deadline", f"must lie within {limits.COMMAND_TTL_S_MAX} s from now")


def id_before(at_us: int) -> UUID:
    """No command made since this moment has a lesser name."""
    return UUID(int=(max(at_us, 0) // 1_000 & (1 << 48) - 1) << 80)


def digest_of(asked: Any) -> bytes:
    """What a repetition under the same idempotency key has to be equal in."""
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).digest()


_TTL_MAX_US: Final = limits.COMMAND_TTL_S_MAX * 1_000_000


def _is_key(text: str) -> bool:
    return 0 < len(text) <= _KEY_MAX and text.isascii() and text.isprintable()


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])
