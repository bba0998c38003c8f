"""Invented automakers: the names and VIN prefixes of simulated tenants.

Their prefixes (ISO 3780 world manufacturer identifiers) begin with 0, which the standard gives to
no region: no real car has such a VIN, and no real tenant's claim is in the way.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from motorcade.errors import Invalid
from motorcade.fleet.vin import VIN_CHARACTERS

__all__ = ["AUTOMAKERS_MAX", "Automaker", "automakers"]

AUTOMAKERS_MAX: Final = len(VIN_CHARACTERS) ** 2
"""As many as there are prefixes; beyond: refused."""

_FIRST: Final = (
    "aurelia",
    "baiyun",
    "cangshan",
    "donghai",
    "eastwind",
    "fenglin",
    "gaoyuan",
    "haoran",
    "islay",
    "jinse",
    "kestrel",
    "lanxing",
    "mingyue",
    "nordlys",
    "ouyang",
    "pinnace",
    "qinghe",
    "ruiling",
    "sunhare",
    "tianmu",
    "umbra",
    "vantara",
    "wanderer",
)
_SECOND: Final = ("motors", "auto", "electric", "mobility")


class Automaker(NamedTuple):
    """A tenant's name and the three characters its VINs begin with."""

    name: str
    wmi: str


def automakers(count: int) -> list[Automaker]:
    """The first ``count`` of them, always the same; 92 have names, further ones numbers.

    ``Invalid`` for less than one or more than ``AUTOMAKERS_MAX``.
    """
    if not 1 <= count <= AUTOMAKERS_MAX:
        raise Invalid(f"there are 1 to {AUTOMAKERS_MAX} simulated automakers, not {count}")
    names = [f"{first}-{second}" for second in _SECOND for first in _FIRST]
    names += [f"automaker-{number}" for number in range(len(names) + 1, count + 1)]
    letters = [*VIN_CHARACTERS[10:], *VIN_CHARACTERS[:10]]
    prefixes = (f"0{one}{two}" for one in letters for two in letters)
    return [Automaker(*pair) for pair in zip(names[:count], prefixes, strict=False)]
