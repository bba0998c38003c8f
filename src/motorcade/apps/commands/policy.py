"""Over which of a vehicle's links a message goes: what bearers cost, and what a class minds.

In: a tenant's changes to the defaults, a message class, links. Out: the links in the order they are
to be tried. A link's price is the sum of its bearer's cost, latency and battery, each weighed by
the class; the cheapest comes first, of equal ones the newest link. A bearer that a class never uses
is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec

from motorcade.apps.commands.rules import CLASSES
from motorcade.errors import Invalid

__all__ = [
    "BEARERS",
    "DEFAULT",
    "Bearer",
    "Link",
    "MessageClass",
    "Policy",
    "classes_of",
    "merged",
    "silence_s",
    "usable",
]

BEARERS: Final = ("nr", "lte", "wifi", "wired", "cv2x", "satellite", "unknown")
"""What a link may go over; the words of ``log.events.LinkUp.bearer``."""

_Weight = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
_Seconds = Annotated[float, msgspec.Meta(ge=1, le=86_400)]
_InFlight = Annotated[int, msgspec.Meta(ge=1, le=16)]


class Bearer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a message over a bearer costs. ``cost`` and ``battery`` are on a scale of the tenant's
    own; ``silence_s`` is how long an answer may take."""

    cost: _Weight
    latency_ms: _Weight
    battery: _Weight
    silence_s: _Seconds


class MessageClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a class of messages minds: how many milliseconds a unit of cost or battery is worth, and
    which bearers it never uses."""

    cost: _Weight = 0
    latency: _Weight = 1
    battery: _Weight = 0
    never: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenant's downlink policy."""

    bearers: Mapping[str, Bearer]
    classes: Mapping[str, MessageClass]
    in_flight_per_vehicle: _InFlight = 1
    """Commands a vehicle is asked at once; further ones wait for its answer."""


class Link(Protocol):
    """What is needed of a link (``apps.sessions``)."""

    @property
    def link(self) -> str: ...

    @property
    def incarnation(self) -> str: ...

    @property
    def protocol(self) -> str: ...

    @property
    def bearer(self) -> str: ...

    @property
    def reachable(self) -> bool: ...


_Link = TypeVar("_Link", bound=Link)

DEFAULT: Final = Policy(
    bearers={
        "nr": Bearer(cost=1, latency_ms=20, battery=3, silence_s=10),
        "lte": Bearer(cost=1, latency_ms=50, battery=2, silence_s=10),
        "wifi": Bearer(cost=0, latency_ms=60, battery=1, silence_s=10),
        "wired": Bearer(cost=0, latency_ms=10, battery=0, silence_s=10),
        "cv2x": Bearer(cost=0, latency_ms=200, battery=2, silence_s=10),
        "satellite": Bearer(cost=1_000, latency_ms=20_000, battery=20, silence_s=300),
        "unknown": Bearer(cost=1, latency_ms=80, battery=2, silence_s=10),
    },
    classes={
        "emergency": MessageClass(),
        "interactive": MessageClass(),
        "normal": MessageClass(cost=20, battery=5),
        "bulk": MessageClass(cost=100, latency=0.1, battery=20, never=("satellite",)),
    },
)
"""The policy of a tenant that has set nothing."""


def merged(changes: Mapping[str, Any]) -> Policy:
    """The defaults with a tenant's changes; ``Invalid`` says what is wrong with them."""
    whole: dict[str, Any] = msgspec.to_builtins(DEFAULT)
    for group, known in (("bearers", BEARERS), ("classes", tuple(CLASSES))):
        for name, fields in (changes.get(group) or {}).items():
            if name not in known:
                raise _wrong(f"{group}.{name}", f"there are {', '.join(known)}")
            whole[group][name].update({k: v for k, v in fields.items() if v is not None})
    others = {k: v for k, v in changes.items() if k not in ("bearers", "classes")}
    whole.update({k: v for k, v in others.items() if v is not None})
    try:
        policy = msgspec.convert(whole, Policy)
    except msgspec.ValidationError as error:
        raise _wrong("policy", str(error)) from error
    for name, one in policy.classes.items():
        if strange := set(one.never) - set(BEARERS):
            raise _wrong(f"classes.{name}.never", f"no bearer is called {min(strange)}")
    return policy


def usable(policy: Policy, message_class: str, links: Sequence[_Link]) -> list[_Link]:
    """The links a message of this class may go over, the best first. ``links``: oldest first."""
    minds = policy.classes.get(message_class) or policy.classes["normal"]
    found = [one for one in links if one.reachable and one.bearer not in minds.never]
    found.reverse()
    return sorted(found, key=lambda link: _price(policy, minds, link.bearer))


def classes_of(policy: Policy, links: Iterable[_Link]) -> list[str]:
    """The message classes that at least one of the links may carry."""
    bearers = {link.bearer for link in links if link.reachable}
    return [name for name, minds in policy.classes.items() if bearers - set(minds.never)]


def silence_s(policy: Policy, bearer: str) -> float:
    """How long an answer over a bearer may take, in seconds."""
    return (policy.bearers.get(bearer) or policy.bearers["unknown"]).silence_s


def _price(policy: Policy, minds: MessageClass, bearer: str) -> float:
    of = policy.bearers.get(bearer) or policy.bearers["unknown"]
    return minds.cost * of.cost + minds.latency * of.latency_ms + minds.battery * of.battery


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])
