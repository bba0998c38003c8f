"""Commands as callers write and see them: the bodies and answers that several addresses share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from motorcade.api.parameters import Number, read_cursor, refuse
from motorcade.apps.commands.asking import Asked, ask
from motorcade.apps.commands.row import Row
from motorcade.apps.commands.rules import CLASSES, KINDS, OPEN, STATES
from motorcade.errors import NotFound
from motorcade.signals.catalogue import Catalogue

__all__ = [
    "EXAMPLE",
    "TAG",
    "Attempt",
    "CommandId",
    "CommandList",
    "CommandView",
    "IdempotencyKey",
    "KindFilter",
    "NewCommand",
    "Note",
    "StateFilter",
    "asked_of",
    "moment_of",
    "place_of",
    "read_id",
    "states_of",
    "view_of",
]

TAG: Final = "Commands"

_Place = tuple[Number, Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]]

EXAMPLE: Final = {
    "id": "0199b5d2c3f07c1e9a4b2d6f8e1a3c5d",
    "vin": "LNSTEST0000000001",
    "kind": "unlock",
    "parameters": {"doors": "driver"},
    "class": "interactive",
    "priority": 70,
    "number": 17,
    "state": "succeeded",
    "code": "ok",
    "detail": "",
    "facts": {},
    "created": "2026-11-22T08:00:00Z",
    "deadline": "2026-11-22T08:05:00Z",
    "sent": "2026-11-22T08:00:00.004Z",
    "delivered": None,
    "ended": "2026-11-22T08:00:00.310Z",
    "tries": 1,
    "tries_max": 0,
    "attempts": [
        {
            "at": "2026-11-22T08:00:00.004Z",
            "link": "gateway-0.1763990000123456/jt808/12",
            "bearer": "lte",
            "protocol": "jt808",
            "code": "sent",
            "detail": "",
        }
    ],
    "notes": [],
    "bulk": None,
    "maker": "4b1f0c9d2a37",
}

CommandId = Annotated[
    str,
    PathParameter(
        description="The command's id, 32 hexadecimal digits.",
        examples=[],
    ),
]
"""The ``{command_id}`` of a path."""

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="A name of the caller's for this request: sent again, it changes nothing.",
    ),
]
"""The header of the same name."""

StateFilter = Annotated[
    str,
    QueryParameter(
        name="state", max_length=64, description="`open`, or states separated by commas."
    ),
]
"""The ``state`` parameter."""

KindFilter = Annotated[str, QueryParameter(max_length=32, description="One kind alone.")]
"""The ``kind`` parameter."""


class NewCommand(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A command to make."""

    kind: Annotated[
        str, msgspec.Meta(description=f"One of {', '.join(KINDS)}.", examples=["unlock"])
    ]
    parameters: Annotated[
        dict[str, Any],
        msgspec.Meta(description="What the kind takes; see `docs/commands.md`.", examples=[{}]),
    ] = {}
    deadline: Annotated[
        datetime | None,
        msgspec.Meta(description="Until when it may be carried out; then it is expired."),
    ] = None
    ttl_s: Annotated[
        float | None, msgspec.Meta(description="The same, in seconds from now; 300 if neither.")
    ] = None
    priority: Annotated[
        int | None, msgspec.Meta(description="0 to 100; the class's own where it is left out.")
    ] = None
    message_class: Annotated[
        str | None,
        msgspec.Meta(description=f"One of {', '.join(CLASSES)}: what the downlink policy minds."),
    ] = msgspec.field(default=None, name="class")
    tries_max: Annotated[
        int,
        msgspec.Meta(description="Tries that reach a link at most; 0: until the deadline."),
    ] = 0
    idempotency_key: Annotated[
        str | None, msgspec.Meta(description="As the header `Idempotency-Key`.")
    ] = None


class Attempt(msgspec.Struct, kw_only=True, frozen=True):
    """One try. ``code``: ``sent`` (an answer is awaited, or came), ``silent``, or why the link did
    not take it: ``no_link``, ``busy``, ``unsupported``, ``invalid``."""

    at: datetime
    link: str
    bearer: str
    protocol: str
    code: str
    detail: str


class Note(msgspec.Struct, kw_only=True, frozen=True):
    """An answer that came after the end."""

    at: datetime
    outcome: str
    code: str
    link: str


class CommandView(msgspec.Struct, kw_only=True, frozen=True):
    """A command and its life. ``facts`` is what the vehicle told; ``vin`` is null once the vehicle
    is no longer registered."""

    id: str
    vin: str | None
    kind: str
    parameters: dict[str, Any]
    message_class: str = msgspec.field(name="class")
    priority: int
    number: int
    state: str
    code: str
    detail: str
    facts: dict[str, Any]
    created: datetime
    deadline: datetime
    sent: datetime | None
    delivered: datetime | None
    ended: datetime | None
    tries: int
    tries_max: int
    attempts: list[Attempt]
    notes: list[Note]
    bulk: str | None
    maker: str


class CommandList(msgspec.Struct, kw_only=True, frozen=True):
    """A page of commands, the newest first; ``next`` is the next page's cursor, null at the end."""

    commands: list[CommandView]
    next: str | None


def asked_of(
    data: NewCommand, key: str | None, catalogue: Catalogue, now_us: int, maker: str
) -> Asked:
    """The command a body asks for; ``Invalid`` names what is wrong with it."""
    if key is not None and data.idempotency_key not in (None, key):
        refuse("idempotency_key", "differs from the header Idempotency-Key")
    deadline_us = None
    if data.deadline is not None:
        if data.deadline.tzinfo is None:
            refuse("deadline", "must name its time zone, as 2026-11-22T08:05:00Z")
        deadline_us = round(data.deadline.timestamp() * 1e6)
    return ask(
        data.kind,
        data.parameters,
        catalogue,
        now_us,
        deadline_us=deadline_us,
        ttl_s=data.ttl_s,
        priority=data.priority,
        message_class=data.message_class,
        tries_max=data.tries_max,
        idempotency=key if key is not None else data.idempotency_key,
        maker=maker,
    )


def read_id(text: str, what: str = "command") -> UUID:
    """An id of a path; one that cannot be is one there is not."""
    try:
        return UUID(hex=text)
    except ValueError:
        raise NotFound(f"There is no such {what}.") from None


def place_of(cursor: str | None) -> tuple[int, str] | None:
    """Where a page of commands or jobs begins; ``Invalid`` for a cursor nobody gave out."""
    place: tuple[int, str] | None = read_cursor(cursor, _Place)
    return place


def states_of(text: str) -> list[str]:
    """The states a filter names."""
    if not text:
        return []
    if text == "open":
        return list(OPEN)
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in STATES]:
        refuse("state", f"{unknown[0]!r} is none of open, {', '.join(STATES)}")
    return names


def moment_of(us: int) -> datetime:
    """Microseconds UTC as JSON shows a time."""
    return datetime.fromtimestamp(us / 1e6, UTC)


def view_of(row: Row, names: Mapping[int, str]) -> CommandView:
    """A command as callers see it; secrets of its parameters are not shown."""
    parameters = dict(row.parameters)
    if parameters.get("password"):
        parameters["password"] = "set"
    return CommandView(
        id=row.id.hex,
        vin=names.get(row.vehicle),
        kind=row.kind,
        parameters=parameters,
        message_class=row.message_class,
        priority=row.priority,
        number=row.number,
        state=row.state,
        code=row.code,
        detail=row.detail,
        facts=row.facts,
        created=moment_of(row.made_us),
        deadline=moment_of(row.deadline_us),
        sent=_maybe(row.sent_us),
        delivered=_maybe(row.delivered_us),
        ended=_maybe(row.ended_us),
        tries=row.tries,
        tries_max=row.tries_max,
        attempts=[_attempt(one) for one in row.attempts],
        notes=[
            Note(
                at=moment_of(one["at_us"]),
                outcome=one["outcome"],
                code=one["code"],
                link=one["link"],
            )
            for one in row.notes
        ],
        bulk=None if row.bulk is None else row.bulk.hex,
        maker=row.maker,
    )


def _attempt(one: Mapping[str, Any]) -> Attempt:
    return Attempt(
        at=moment_of(one["at_us"]),
        link=one.get("link", ""),
        bearer=one.get("bearer", ""),
        protocol=one.get("protocol", ""),
        code=one["code"],
        detail=one.get("detail", ""),
    )


def _maybe(us: int | None) -> datetime | None:
    return None if us is None else moment_of(us)
