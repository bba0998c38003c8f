"""Writes ``docs/signals.md`` from the catalogue, so that the page is never behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from motorcade.signals.catalogue import Catalogue, Signal

__all__ = ["page"]

_HEAD = """\
# Signals

Made by `python -m motorcade.signals.maintain docs docs/signals.md`; a test keeps it current.
Search it with `motorcade signals --search WORDS`.

Motorcade's vocabulary is the COVESA Vehicle Signal Specification (VSS), one pinned tree, plus an
overlay for what vehicle protocols report and VSS lacks. Values are in the unit named here, whatever
the protocol's own unit was. A value is missing where the vehicle did not report it; where it said
that the value is *invalid* or *abnormal* the value is missing too and the row's `quality` says
which.

- **Enumerations** are `string` with words. Tables and answers hold the words; batches, the log and
  the twin hold codes (`docs/decisions/0005-enums-travel-as-codes.md`).
- **Lists** keep their length: an element is null where its value is invalid or abnormal.
- **Masks** are integers whose bits have names.
- **Sign of currents**: `CurrentCurrent` of the traction battery is passed on as the vehicle reports
  it. GB/T 32960 does not fix the sign; VSS means positive while charging, the cars seen so far
  report discharge as positive.
- **Positions** are passed on as reported; VSS means WGS 84. `CurrentLocation.CoordinateSystem` says
  what the vehicle claims; GB/T 32960 of 2016 says nothing about it.
- **Gears**: GB/T 32960 reports the selector, so it is `Transmission.SelectedGear`: 0 neutral, 1 to
  12 forward, -1 reverse, 126 park, 127 drive.
"""


def page(catalogue: Catalogue) -> str:
    """The whole page in Markdown."""
    own = [signal for signal in catalogue.values() if signal.origin == "overlay"]
    return "\n".join(
        [
            _HEAD,
            "## The overlay\n",
            *_table(own),
            "\n## Bits of masks\n",
            *_bits(catalogue.values()),
            "\n## The whole catalogue\n",
            "| path | type | unit |",
            "| --- | --- | --- |",
            *(f"| `{s.path}` | {s.datatype} | {s.unit} |" for s in catalogue.values()),
            "",
        ]
    )


def _table(signals: Iterable[Signal]) -> Iterator[str]:
    yield "| path | type | unit | meaning | words |"
    yield "| --- | --- | --- | --- | --- |"
    for signal in signals:
        words = ", ".join(f"`{word}`" for word in signal.allowed)
        meaning = signal.description.replace("|", "\\|")
        yield f"| `{signal.path}` | {signal.datatype} | {signal.unit} | {meaning} | {words} |"


def _bits(signals: Iterable[Signal]) -> Iterator[str]:
    for signal in signals:
        if signal.bits:
            yield f"`{signal.path}`\n\n| bit | name |\n| --- | --- |"
            yield from (f"| {bit} | `{name}` |" for bit, name in enumerate(signal.bits))
