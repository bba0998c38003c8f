"""Bytes ⇄ signals: one module or folder per vehicle standard; no I/O, no clock, no asyncio.

In: frames of many vehicles. Out: ``SignalBatch``es, rejects and answers. There is no registry: a
module in this package, or one named by the entry-point group ``motorcade.protocols``, that has the
names in ``WANTED`` is a protocol, and its name is its file's.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType
from typing import Final

from motorcade.errors import NotFound

__all__ = ["WANTED", "ENTRY_POINTS", "find", "names"]

WANTED: Final = (
    "NAME",
    "DEFAULT_PORT",
    "SIGNALS",
    "Session",
    "cut",
    "decode",
    "encode",
    "seal",
    "describe",
)
"""Names a module must have to be a protocol."""

ENTRY_POINTS: Final = "motorcade.protocols"
"""Group in which outside packages name their protocol modules."""


def find(name: str) -> ModuleType:
    """The protocol module of this name; ``NotFound`` says which there are."""
    if name.isidentifier() and find_spec(f"{__name__}.{name}") is not None:
        module = import_module(f"{__name__}.{name}")
        if _is_protocol(module):
            return module
    outside: ModuleType
    for point in entry_points(group=ENTRY_POINTS, name=name):
        outside = point.load()
        if _is_protocol(outside):
            return outside
    raise NotFound(f"there is no protocol {name!r}; there are: {', '.join(names())}", name=name)


def names() -> list[str]:
    """Names of all protocols, sorted."""
    own = [module.name for module in iter_modules(__path__)]
    found = [name for name in own if _is_protocol(import_module(f"{__name__}.{name}"))]
    return sorted({*found, *(point.name for point in entry_points(group=ENTRY_POINTS))})


def _is_protocol(module: ModuleType) -> bool:
    return all(hasattr(module, name) for name in WANTED)
