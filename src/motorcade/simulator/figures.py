"""A measured figure, as benches and load runs report it."""

from __future__ import annotations

import msgspec

__all__ = ["Figure"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number with its unit and what it should reach.

    ``target`` is text for people (``>= 0.4``, empty where none), ``met`` whether it was reached,
    null where there is nothing to reach.
    """

    name: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None
