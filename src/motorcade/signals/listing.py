"""What ``motorcade signals [--search …]`` prints: the catalogue as rows, searched.

In: the catalogue and which protocol speaks which paths. Out: rows, those found by their path first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from motorcade.signals.catalogue import Catalogue, Signal

__all__ = ["Listed", "listed"]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One row; with ``--json`` one object."""

    path: str
    type: str
    unit: str
    protocols: tuple[str, ...]
    """Names of the protocols that report it, sorted."""
    kind: str
    origin: str
    description: str
    comment: str
    allowed: tuple[str, ...]
    bits: tuple[str, ...]
    number: int


def listed(
    catalogue: Catalogue, protocols: Mapping[str, Collection[str]], search: str = ""
) -> list[Listed]:
    """The signals in which every word of ``search`` occurs, capitals or not; all without one.

    ``protocols`` maps a protocol's name to the paths it reports; its name can be searched for too.
    """
    words = search.lower().split()
    rows = [_row(signal, protocols) for signal in catalogue.values()]
    found = [row for row in rows if all(word in _text(row) for word in words)]
    return sorted(found, key=lambda row: any(word not in row.path.lower() for word in words))


def _row(signal: Signal, protocols: Mapping[str, Collection[str]]) -> Listed:
    return Listed(
        path=signal.path,
        type=signal.datatype,
        unit=signal.unit,
        protocols=tuple(sorted(name for name, paths in protocols.items() if signal.path in paths)),
        kind=signal.kind,
        origin=signal.origin,
        description=signal.description,
        comment=signal.comment,
        allowed=signal.allowed,
        bits=signal.bits,
        number=signal.number,
    )


def _text(row: Listed) -> str:
    parts = (row.path, row.unit, row.description, *row.protocols, *row.allowed, *row.bits)
    return " ".join(parts).lower()
