"""Rows of any protocol as GB/T 32960 reports: what the catalogue knows, in the standard's tables.

In: a batch and its vehicles' VINs. Out: sealed frames, a row each. Rows that hold the same
information types, and lists of the same lengths, are encoded together; nothing loops over rows but
the last step, which hands each its frame. What is invalid or abnormal at the source is invalid
here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.protocols.gbt32960 import encode_reports, vin_bytes
from motorcade.protocols.gbt32960.layout import Field, Item, Segment
from motorcade.protocols.gbt32960.plan import EDITIONS, MOTORS_MAX
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue
from motorcade.signals.quality import quality_entries

__all__ = ["report_frames"]

_SIGNATURE: Final = 0xFF
_VALID_FIX: Final = "Vehicle.CurrentLocation.IsValid"
_LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"
_LONGITUDE: Final = "Vehicle.CurrentLocation.Longitude"


class _Place(NamedTuple):
    """Where a signal stands: its information type and field; ``part`` which motor it is of;
    ``counts`` where it has one value a pack, the signal that tells how many packs there are."""

    item: int
    field: Field
    part: int = 0
    counts: str = ""


@dataclass(slots=True)
class _Columns:
    """The signals of a batch that the edition knows: values as doubles, and where they are."""

    scalars: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    lists: dict[str, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = field(
        default_factory=dict
    )
    """Starts, lengths and elements."""
    told: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Rows that say something of the signal, be it that it is invalid."""


def report_frames(
    batch: SignalBatch,
    vins: Mapping[int, str],
    late: NDArray[np.bool_],
    catalogue: Catalogue,
    edition: int,
) -> list[bytes | None]:
    """A frame for every row, command 03 where it is ``late`` and 02 else; None for a row without
    anything the edition could say. ``vins`` by vehicle number."""
    columns = _read(batch, catalogue, edition)
    frames: list[bytes | None] = [None] * len(batch)
    if not columns.told:
        return frames
    numbers = batch.numpy("vehicle").tolist()
    names = vin_bytes([vins[number] for number in numbers])
    times = batch.numpy("event_time")
    for rows, paths, reissued in _groups(columns, late, edition):
        places = _places(edition)
        items = sorted({places[path].item for path in paths})
        values = {path: _values(columns, places[path], path, rows) for path in paths}
        encoded = encode_reports(
            names[rows], times[rows], values, edition=edition, items=items, reissued=reissued
        )
        for place, row in enumerate(rows.tolist()):
            frames[row] = encoded.bytes_of(place)
    return frames


@lru_cache(2)
def _places(edition: int) -> dict[str, _Place]:
    found: dict[str, _Place] = {}
    for item in EDITIONS[edition]:
        if item.type != _SIGNATURE:
            found.update(_of_item(item))
    return found


def _of_item(item: Item) -> Iterator[tuple[str, _Place]]:
    for segment in item.segments:
        for one in segment.fields:
            yield one.path, _Place(item.type, one)
        if segment.instances:
            for number in range(1, MOTORS_MAX + 1):
                for one in segment.elements:
                    path = f"{segment.instances}{number}.{one.path}"
                    yield path, _Place(item.type, one, number)
        else:
            yield from ((one.path, _Place(item.type, one)) for one in segment.elements)
        if segment.repeats is not None:
            yield from _of_packs(item, segment.repeats)


def _of_packs(item: Item, segment: Segment) -> Iterator[tuple[str, _Place]]:
    yield segment.counts, _Place(item.type, Field(segment.counts, 0))
    yield from ((one.path, _Place(item.type, one, 0, segment.counts)) for one in segment.fields)
    yield from ((one.path, _Place(item.type, one)) for one in segment.elements)


def _read(batch: SignalBatch, catalogue: Catalogue, edition: int) -> _Columns:
    """The batch's columns as doubles, enumerations as their codes."""
    places = _places(edition)
    marked = _marked(batch, catalogue)
    found = _Columns()
    for path in batch.paths:
        place = places.get(path)
        if place is None:
            continue
        column = batch.column(path)
        told = pc.is_valid(column).to_numpy(zero_copy_only=False) | marked.get(path, False)
        if not told.any():
            continue
        found.told[path] = told
        if pa.types.is_list(column.type):
            lengths = pc.fill_null(pc.list_value_length(column), 0)
            count = lengths.to_numpy(zero_copy_only=False).astype(np.int64)
            starts = np.concatenate([[0], np.cumsum(count)[:-1]])
            found.lists[path] = starts, count, _doubles(column.flatten())
        else:
            found.scalars[path] = _doubles(column)
    return found


def _marked(batch: SignalBatch, catalogue: Catalogue) -> dict[str, NDArray[np.bool_]]:
    """Rows that reported a signal as invalid or abnormal."""
    row, number, _ = quality_entries(batch.column("quality"))
    found: dict[str, NDArray[np.bool_]] = {}
    for one in np.unique(number).tolist():
        mask = np.zeros(len(batch), np.bool_)
        mask[row[number == one]] = True
        found[catalogue.path_of(one)] = mask
    return found


def _groups(
    columns: _Columns, late: NDArray[np.bool_], edition: int
) -> Iterator[tuple[NDArray[np.int64], list[str], bool]]:
    """Rows that are encoded together, their signals, and whether they are late."""
    places = _places(edition)
    units: dict[tuple[int, int], NDArray[np.bool_]] = {}
    for path, told in columns.told.items():
        unit = (places[path].item, places[path].part)
        units[unit] = units[unit] | told if unit in units else told
    keys: list[NDArray[Any]] = [late, *units.values()]
    for path, (starts, lengths, elements) in columns.lists.items():
        keys.append(lengths)
        if any(place.counts == path for place in places.values()):
            keys += _by_place(starts, lengths, elements)
    table = np.stack([key.astype(np.int64) for key in keys], axis=1)
    shapes, which = np.unique(table, axis=0, return_inverse=True)
    for place, shape in enumerate(shapes):
        present = {unit for unit, there in zip(units, shape[1:], strict=False) if there}
        if not present:
            continue
        paths = [path for path in columns.told if (places[path].item, places[path].part) in present]
        yield np.flatnonzero(which.ravel() == place), paths, bool(shape[0])


def _by_place(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], elements: NDArray[np.float64]
) -> list[NDArray[Any]]:
    """A list column as one column a place, -1 where a row's list is shorter."""
    padded = np.append(elements, -1.0)
    found = []
    for place in range(int(lengths.max(initial=0))):
        at = np.where(lengths > place, starts + place, len(elements))
        found.append(np.nan_to_num(padded[at], nan=-1.0))
    return found


def _values(
    columns: _Columns, place: _Place, path: str, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """A signal's values of these rows: (n), or (n, m) for a list."""
    if path in columns.lists:
        values = _list_values(columns, path, rows)
        return values if not place.counts else _of_each_pack(columns, place.counts, values, rows)
    values = columns.scalars[path][rows]
    one = place.field
    if one.marked and not one.shift and one.mask > 0xFF:
        return values
    # The field has no room to say invalid: what is not known reads as the standard's zero.
    lost = np.isnan(values)
    if lost.any():
        values = np.where(lost, _fallback(columns, path, rows), values)
    return values


def _list_values(columns: _Columns, path: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    starts, lengths, elements = columns.lists[path]
    width = int(lengths[rows[0]])
    found: NDArray[np.float64] = elements[starts[rows][:, None] + np.arange(width)]
    return found


def _of_each_pack(
    columns: _Columns, counts: str, values: NDArray[np.float64], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(n, packs); (n) where nobody says how many packs there are, which then is one."""
    told = counts in columns.lists
    packs = int(columns.lists[counts][1][rows[0]]) if told else 1
    if values.shape[1] != packs:
        values = np.full((len(rows), packs), np.nan)
    return values if told else values[:, 0]


def _fallback(columns: _Columns, path: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    if path != _VALID_FIX:
        return np.zeros(len(rows))
    fixed = np.ones(len(rows))
    for coordinate in (_LATITUDE, _LONGITUDE):
        known = columns.scalars.get(coordinate)
        fixed *= 0.0 if known is None else ~np.isnan(known[rows])
    return fixed


def _doubles(column: pa.Array) -> NDArray[np.float64]:
    """NaN where null, and where there is no number."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return np.full(len(column), np.nan)
    values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values
