"""The shapes of reports that simulated automakers send."""

from __future__ import annotations

from typing import Final, NamedTuple

from motorcade.errors import Invalid

__all__ = ["LAYOUTS", "MIXED", "Layout", "layouts_of"]


class Layout(NamedTuple):
    """The shape of an automaker's reports: edition, information types in their order, and the
    cell and probe types that every ``lists_every``-th report carries too."""

    edition: int
    items: tuple[int, ...]
    lists: tuple[int, ...] = ()
    lists_every: int = 0


LAYOUTS: Final = {
    2016: Layout(2016, (1, 2, 5, 6, 7)),
    2025: Layout(2025, (1, 2, 5, 6)),
}
"""The plain report of each edition: vehicle, motor, position, extremes (2016), alarms."""

MIXED: Final = (
    LAYOUTS[2016],
    Layout(2016, (1, 2, 5, 6, 7), (8, 9), 10),
    Layout(2016, (5, 1, 2, 7, 6)),
    LAYOUTS[2025],
    Layout(2025, (5, 1, 2, 6), (7, 8), 10),
    Layout(2016, (1, 5, 2, 6, 7), (9, 8), 30),
)
"""What real fleets look like: editions, orders and rare long frames side by side."""


def layouts_of(edition: str) -> tuple[Layout, ...]:
    """The layouts of ``2016``, ``2025`` or ``mixed``; ``Invalid`` for another word."""
    if edition == "mixed":
        return MIXED
    try:
        return (LAYOUTS[int(edition)],)
    except (KeyError, ValueError):
        raise Invalid(f"edition is 2016, 2025 or mixed, not {edition!r}") from None
