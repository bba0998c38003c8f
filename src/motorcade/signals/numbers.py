"""The register of signal numbers and word orders: a file that only grows.

A number names a path together with its data type for ever; it stands in stored quality columns and
in the names of twin files. The order of words gives each its code (``docs/decisions/0005``).

Lines of ``data/numbers.csv``: ``number,path,datatype,words``, words separated by blanks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from motorcade.errors import CorruptionError
from motorcade.signals.tree import Node

__all__ = ["Entry", "parse", "render", "extended"]

_HEAD = "number,path,datatype,words"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One line of the register."""

    number: int
    path: str
    datatype: str
    words: tuple[str, ...] = ()
    """Code 0 first."""


def parse(text: str) -> list[Entry]:
    """The entries of a register; ``CorruptionError`` where a number or a signal stands twice."""
    head, *lines = text.splitlines()
    if head != _HEAD:
        raise CorruptionError(f"the signal register begins with {head!r}, not with {_HEAD!r}")
    entries = []
    for line in lines:
        number, path, datatype, words = line.split(",")
        entries.append(Entry(int(number), path, datatype, tuple(words.split())))
    if len({entry.number for entry in entries}) != len(entries):
        raise CorruptionError("a signal number stands twice in the register")
    if len({(entry.path, entry.datatype) for entry in entries}) != len(entries):
        raise CorruptionError("a signal stands twice in the register")
    return entries


def render(entries: Iterable[Entry]) -> str:
    """The text ``parse`` reads."""
    lines = [f"{e.number},{e.path},{e.datatype},{' '.join(e.words)}" for e in entries]
    return "\n".join([_HEAD, *lines]) + "\n"


def extended(entries: Iterable[Entry], leaves: Mapping[str, Node]) -> list[Entry]:
    """``entries`` plus what ``leaves`` has anew: signals at the end, words after the old."""
    known = {(entry.path, entry.datatype): entry for entry in entries}
    result = {entry.number: entry for entry in known.values()}
    number = max(result, default=0)
    for path in sorted(leaves):
        leaf = leaves[path]
        old = known.get((path, leaf.datatype))
        if old is None:
            number += 1
            result[number] = Entry(number, path, leaf.datatype, leaf.allowed)
        else:
            added = tuple(word for word in leaf.allowed if word not in old.words)
            result[old.number] = msgspec.structs.replace(old, words=old.words + added)
    return list(result.values())
