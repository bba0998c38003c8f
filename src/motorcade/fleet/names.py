"""How vehicles may be called besides their VIN: phone numbers, IMEIs, device names."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from motorcade.errors import Invalid

__all__ = ["FORMS", "Form", "IdentityKind", "tidied"]

IdentityKind = Literal["phone", "imei", "device"]
"""``phone``: the number a JT/T 808 terminal names itself by; ``imei``: a satellite modem's;
``device``: the EUI-64 of compact datagrams."""


class Form(NamedTuple):
    """How identities of a kind look, and in words."""

    pattern: re.Pattern[str]
    words: str


FORMS: Final[dict[str, Form]] = {
    "phone": Form(
        re.compile(r"0*[1-9][0-9]{0,19}", re.ASCII),
        "1 to 20 digits; leading zeros do not count",
    ),
    "imei": Form(re.compile(r"[0-9]{15}", re.ASCII), "15 digits"),
    "device": Form(
        re.compile(r"[0-9a-fA-F]{16}"),
        "16 hexadecimal digits: an EUI-64, or an IMEI with a 0 before it",
    ),
}


def tidied(kind: str, value: str) -> str:
    """``value`` as the registry keeps it; ``Invalid`` where no identity of the kind looks so."""
    form = FORMS.get(kind)
    if form is None:
        raise Invalid(f"kind: one of {', '.join(FORMS)}, not {kind!r}")
    value = value.strip()
    if kind == "phone":
        value = value.lstrip("0")
    if kind == "device":
        value = value.lower()
    if not form.pattern.fullmatch(value):
        raise Invalid(f"{kind}: {form.words}")
    return value
