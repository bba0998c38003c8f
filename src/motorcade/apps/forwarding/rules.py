"""What a tenant says about a forwarder: where to, which vehicles, which signals; and its checks.

In: JSON from people. Out: a checked ``Rule`` and its secrets apart. The settings of a target belong
to the module of its kind in ``senders``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Final, Literal

import msgspec

from motorcade.apps.forwarding import senders
from motorcade.apps.forwarding.config import Config
from motorcade.errors import Invalid, NotFound
from motorcade.limits import (
    FORWARDER_FILTER_NAMES_MAX,
    FORWARDER_SIGNALS_MAX,
    FORWARDER_SPOOL_BYTES_MIN,
)
from motorcade.signals.catalogue import Catalogue
from motorcade.twin.predicate import parse

__all__ = [
    "Filter",
    "Kind",
    "Rule",
    "check_moved",
    "check_rule",
    "kinds",
    "sender_of",
    "shown",
    "split",
    "target",
]

Kind = Literal["report", "login", "logout", "link", "event", "media"]
"""Kinds of records (``signals.batch``)."""

_SET: Final = "set"


class Filter(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which records; what is left out does not restrict."""

    vins: tuple[str, ...] = ()
    """These vehicles."""
    labels: tuple[str, ...] = ()
    """Vehicles that carry one of these labels."""
    where: str = ""
    """Reports for which this predicate over the record's own signals holds. Logins, logouts and
    other kinds are not asked."""


class Rule(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A forwarder without its name and its secrets."""

    kind: str
    """The target's kind: a module of ``senders``."""
    target: dict[str, Any]
    """The settings of that kind."""
    filter: Filter = Filter()
    signals: tuple[str, ...] = ()
    """Paths and branches; empty: all of a record."""
    records: tuple[Kind, ...] = ()
    """Kinds of records; empty: those the target's kind is for."""
    spool_bytes_max: int = 1 << 30
    """Unsent records kept, as stored (compressed). At the bound the oldest go and are counted."""
    spool_age_s: float = 7 * 86_400.0
    """How long unsent records are kept."""


def kinds() -> list[str]:
    """The kinds of targets there are, sorted."""
    return sorted(module.name for module in iter_modules(senders.__path__))


def sender_of(kind: str) -> ModuleType:
    """The module of a kind; ``Invalid`` says which there are."""
    if kind not in kinds():
        raise Invalid(f"kind: there is no {kind!r}; there are: {', '.join(kinds())}")
    return import_module(f"{senders.__name__}.{kind}")


def target(rule: Rule, secrets: Mapping[str, str]) -> Any:
    """The settings of the rule's target, secrets in their places; ``Invalid``."""
    kind = sender_of(rule.kind).Target
    try:
        return msgspec.convert({**rule.target, **secrets}, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"target: {error}") from error


def split(rule: Rule, before: Mapping[str, str] | None = None) -> tuple[Rule, dict[str, str]]:
    """The rule without its secrets, and those; one that reads ``set``, as it is shown, or is left
    out stays as it was in ``before``."""
    known = sender_of(rule.kind).SECRETS
    given = {name: value for name, value in rule.target.items() if name in known}
    kept = {name: value for name, value in (before or {}).items() if name in known}
    kept.update({name: value for name, value in given.items() if value != _SET})
    plain = {name: value for name, value in rule.target.items() if name not in known}
    secrets = {name: value for name, value in kept.items() if value != ""}
    return msgspec.structs.replace(rule, target=plain), secrets


def check_moved(
    before: Rule, after: Rule, asked: Mapping[str, Any], secrets: Iterable[str]
) -> None:
    """``Invalid`` where the target is at another address than before and a secret would follow it
    that ``asked`` does not name anew: a secret is for whom it was given."""
    if _address(before) == _address(after):
        return
    following = [name for name in sorted(secrets) if asked.get(name, _SET) == _SET]
    if following:
        raise Invalid(
            f"target: {', '.join(following)} is for another address; say it anew, or empty to send"
            " none"
        )


def _address(rule: Rule) -> tuple[Any, ...]:
    """Where to, and whether others can read along."""
    url = str(rule.target.get("url", "")).partition("?")[0]
    return (url.split("/")[:3], *(rule.target.get(name) for name in ("host", "port", "tls")))


def shown(rule: Rule, secrets: Mapping[str, str]) -> Rule:
    """The rule as people see it: a secret that is set reads ``set``."""
    names = dict.fromkeys(sorted(secrets), _SET)
    return msgspec.structs.replace(rule, target={**rule.target, **names})


def check_rule(
    rule: Rule, secrets: Mapping[str, str], catalogue: Catalogue, config: Config
) -> None:
    """Raise ``Invalid`` for whatever is wrong with it, the target's own settings among that."""
    for name, part in (("target", (rule.target, secrets)), ("filter", rule.filter)):
        if b"\\u0000" in msgspec.json.encode(part):
            raise Invalid(f"{name}: holds the character U+0000, which is none of a text's")
    module = sender_of(rule.kind)
    module.check(target(rule, secrets))
    if rule.filter.where:
        try:
            parse(rule.filter.where, catalogue)
        except Invalid as error:
            raise Invalid(f"filter.where: {error.detail}") from error
    names = len(rule.filter.vins) + len(rule.filter.labels)
    if names > FORWARDER_FILTER_NAMES_MAX:
        raise Invalid(f"filter: more than {FORWARDER_FILTER_NAMES_MAX} VINs and labels")
    if len(rule.signals) > FORWARDER_SIGNALS_MAX:
        raise Invalid(f"signals: more than {FORWARDER_SIGNALS_MAX}")
    try:
        catalogue.select(rule.signals)
    except NotFound as error:
        raise Invalid(f"signals: {error.detail}") from error
    if not FORWARDER_SPOOL_BYTES_MIN <= rule.spool_bytes_max <= config.spool_bytes_max:
        raise Invalid(
            f"spool_bytes_max: {FORWARDER_SPOOL_BYTES_MIN} to {config.spool_bytes_max} bytes"
        )
    if not 60 <= rule.spool_age_s <= config.spool_age_s:
        raise Invalid(f"spool_age_s: 60 to {config.spool_age_s:g} seconds")
