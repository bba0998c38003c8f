"""The catalogue: every signal the platform knows, by path and by number.

In: the packaged VSS tree, our overlay and the register of numbers. Out: immutable ``Signal``s with
the Arrow type they are carried and stored in.

Enumerations (a ``string`` with ``allowed`` words) travel as ``uint8`` codes and are stored and
shown as words: ``docs/decisions/0005-enums-travel-as-codes.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

import msgspec
import pyarrow as pa

from motorcade.errors import CorruptionError, NotFound
from motorcade.signals.numbers import Entry, parse
from motorcade.signals.tree import Node, packaged, read_leaves

__all__ = ["Signal", "Catalogue", "load_catalogue"]

_ARROW: Final[Mapping[str, pa.DataType]] = {
    "boolean": pa.bool_(),
    "string": pa.string(),
    "float": pa.float32(),
    "double": pa.float64(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
}
_LISTS: Final = {f"{name}[]": pa.list_(kind) for name, kind in _ARROW.items()}
_CARRIED: Final = {**_ARROW, **_LISTS}
_CODES: Final = pa.uint8()
_WORDS: Final = pa.dictionary(pa.int8(), pa.string())
_WORDS_MAX: Final = 127


class Signal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One leaf of the tree (VSS: sensor, actuator or attribute)."""

    number: int
    """Stable and never reused; below 2**29."""
    path: str
    datatype: str
    """The VSS name: ``float``, ``uint8``, ``string``, ``float[]``, …"""
    kind: str
    """``sensor``, ``actuator`` or ``attribute``."""
    origin: str = "vss"
    """``vss`` or ``overlay``."""
    unit: str = ""
    """VSS's word (``km/h``, ``Celsius``, ``percent``); empty where there is none."""
    description: str = ""
    comment: str = ""
    deprecation: str = ""
    allowed: tuple[str, ...] = ()
    """The words a value may be, in the order of their codes (not always VSS's order)."""
    bits: tuple[str, ...] = ()
    """Of a mask: the name of each bit, bit 0 first."""
    min: float | int | None = None
    max: float | int | None = None

    @property
    def is_list(self) -> bool:
        """Whether a value is a list."""
        return self.datatype.endswith("[]")

    @property
    def is_enum(self) -> bool:
        """Whether a value is one of ``allowed`` and travels as a code."""
        return self.datatype == "string" and bool(self.allowed)

    @property
    def words(self) -> tuple[str, ...]:
        """Word of each code of an enumeration; empty for every other signal."""
        return self.allowed if self.is_enum else ()

    @property
    def arrow_type(self) -> pa.DataType:
        """The type in batches, in the log and in the twin: ``uint8`` for an enumeration."""
        return _CODES if self.is_enum else _CARRIED[self.datatype]

    @property
    def stored_type(self) -> pa.DataType:
        """The type in tables and answers: ``dictionary<int8, string>`` for an enumeration."""
        return _WORDS if self.is_enum else _CARRIED[self.datatype]


class Catalogue(Mapping[str, Signal]):
    """Signals by path, in the order of their paths; never changes."""

    __slots__ = ("_by_number", "_by_path", "_retired")

    def __init__(self, signals: Iterable[Signal], retired: Mapping[int, str] | None = None) -> None:
        self._by_path = {signal.path: signal for signal in sorted(signals, key=_path)}
        self._by_number = {signal.number: signal for signal in self._by_path.values()}
        self._retired = dict(retired or {})

    def __getitem__(self, path: str) -> Signal:
        return self._by_path[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_path)

    def __len__(self) -> int:
        return len(self._by_path)

    @property
    def by_number(self) -> Mapping[int, Signal]:
        """Signals by number; numbers of signals gone are not in it (see ``path_of``)."""
        return self._by_number

    def path_of(self, number: int) -> str:
        """Path of a number, also of a signal gone; ``NotFound`` where it was never given."""
        signal = self._by_number.get(number)
        path = signal.path if signal else self._retired.get(number)
        if path is None:
            raise NotFound(f"no signal ever had the number {number}", number=number)
        return path

    def find(self, path: str) -> Signal:
        """The signal at ``path``; ``NotFound`` names the nearest paths."""
        signal = self._by_path.get(path)
        if signal is not None:
            return signal
        near = get_close_matches(path, self._by_path, n=3, cutoff=0.75)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise NotFound(f"there is no signal {path!r}{hint}", path=path, near=near)

    def select(self, names: Iterable[str]) -> list[Signal]:
        """The signals at the given paths and below the given branches, each once, in order.

        ``Vehicle.Powertrain`` and ``Vehicle.Powertrain.*`` both mean all below. ``NotFound`` where
        a name means nothing.
        """
        chosen: dict[str, Signal] = {}
        for name in names:
            branch = name.removesuffix("*").removesuffix(".")
            if branch in self._by_path:
                chosen[branch] = self._by_path[branch]
                continue
            below = [signal for path, signal in self.items() if path.startswith(branch + ".")]
            if not below:
                self.find(name)
            chosen.update((signal.path, signal) for signal in below)
        return list(chosen.values())


def load_catalogue() -> Catalogue:
    """The packaged catalogue; takes some milliseconds, so keep what it returns.

    ``CorruptionError`` where the register lacks a signal (run ``motorcade.signals.maintain``).
    """
    leaves = read_leaves()
    entries = {(e.path, e.datatype): e for e in parse(packaged("numbers.csv").decode())}
    signals = [_signal(path, leaf, entries) for path, leaf in leaves.items()]
    present = {signal.number for signal in signals}
    retired = {e.number: e.path for e in entries.values() if e.number not in present}
    return Catalogue(signals, retired)


def _signal(path: str, leaf: Node, entries: Mapping[tuple[str, str], Entry]) -> Signal:
    entry = entries.get((path, leaf.datatype))
    if entry is None:
        raise CorruptionError(f"{path} ({leaf.datatype}) has no number in the register")
    if len(entry.words) > _WORDS_MAX:
        raise CorruptionError(f"{path} has more than {_WORDS_MAX} words")
    if not set(leaf.allowed) <= set(entry.words):
        raise CorruptionError(f"{path} allows words the register has no code for")
    return Signal(
        number=entry.number,
        path=path,
        datatype=leaf.datatype,
        kind=leaf.type or "",
        origin=leaf.origin,
        unit=leaf.unit,
        description=leaf.description,
        comment=leaf.comment,
        deprecation=leaf.deprecation,
        allowed=entry.words,
        bits=leaf.bits,
        min=leaf.min,
        max=leaf.max,
    )


def _path(signal: Signal) -> str:
    return signal.path
