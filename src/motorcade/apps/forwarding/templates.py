"""Names a target files records under: ``fleet/{vin}/{kind}`` with the row's own words put in.

In: a template a tenant wrote. Out: a topic or subject a row. Only the four words known are
replaced; what is put in for them (VINs, kinds, names) holds no sign that means anything to a
broker.
"""

from __future__ import annotations

import re
from typing import Final

from motorcade.apps.forwarding.parcel import Surroundings
from motorcade.errors import Invalid

__all__ = ["WORDS", "check_template", "fill"]

WORDS: Final = ("vin", "kind", "tenant", "forwarder")
"""What may stand in braces."""

_PLACE: Final = re.compile(r"\{([^{}]*)\}")


def check_template(name: str, template: str, forbidden: str) -> None:
    """``Invalid`` for words nobody knows, an empty one, or signs of ``forbidden``."""
    unknown = [word for word in _PLACE.findall(template) if word not in WORDS]
    if unknown:
        words = ", ".join(f"{{{word}}}" for word in WORDS)
        raise Invalid(f"target: {name} knows {words}, not {{{unknown[0]}}}")
    rest = _PLACE.sub("x", template)
    if not rest or len(template) > 512:
        raise Invalid(f"target: {name} has 1 to 512 characters")
    if any(sign in rest for sign in forbidden + "{}\0") or not rest.isprintable():
        raise Invalid(f"target: {name} holds a sign that has another meaning there")


def fill(template: str, around: Surroundings, vin: str, kind: str) -> str:
    """The template with a row's words."""
    return (
        template.replace("{vin}", vin)
        .replace("{kind}", kind)
        .replace("{tenant}", around.tenant_name)
        .replace("{forwarder}", around.name)
    )
