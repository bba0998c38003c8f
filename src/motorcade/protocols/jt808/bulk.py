"""Locations of many vehicles encoded at once, for simulator, load and forwarding: the tables of
``decode`` read backwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.protocols.frames import Frames
from motorcade.protocols.jt808.bodies import BASIC_BYTES
from motorcade.protocols.jt808.heads import ESCAPES, frames_of
from motorcade.protocols.jt808.layout import Field, Item
from motorcade.protocols.jt808.plan import compiled, plan
from motorcade.protocols.jt808.tables import BASIC, ITEMS, LOCATION
from motorcade.protocols.jt808.words import BATCH
from motorcade.protocols.jt808.words import LOCATION as REPORT
from motorcade.wire.bcd import bcd_times
from motorcade.wire.escape import escape

__all__ = ["encode_reports", "phone_bytes"]

Bytes = NDArray[np.uint8]
Columns = Mapping[str, NDArray[Any]]

_STORED_HEAD: Final = 5
"""Bytes of 0x0704 before its first body: count, type, length."""


def phone_bytes(phones: Sequence[str | bytes], edition: int = 2013) -> Bytes:
    """Phone numbers in BCD as uint8 (n, 6; 2019: 10), zeros before them."""
    digits = 20 if edition == 2019 else 12
    texts = [one.decode() if isinstance(one, bytes) else one for one in phones]
    wrong = next((one for one in texts if len(one) > digits or not one.isdigit()), None)
    if wrong is not None:
        raise Invalid(f"a phone number has at most {digits} digits, not {wrong!r}")
    joined = bytes.fromhex("".join(one.zfill(digits) for one in texts))
    return np.frombuffer(joined, np.uint8).reshape(len(texts), digits // 2)


def encode_reports(
    phones: Bytes,
    event_time: NDArray[np.int64],
    columns: Columns,
    *,
    edition: int = 2013,
    items: Iterable[int] | None = None,
    reissued: bool = False,
    serial: int | NDArray[np.int64] = 0,
) -> Frames:
    """``n`` sealed location frames of one layout, end to end in the buffer.

    ``phones`` uint8 (n, 6 or 10) as ``phone_bytes`` gives them, ``event_time`` µs UTC (n),
    ``columns`` by VSS path in catalogue units (n); enumerations as codes. NaN is sent as zero, an
    additional item's field without a column, too. ``items`` are the ids of additional items in the
    order wanted; by default those that some column belongs to, ascending. ``reissued`` makes 0x0704
    of type 1 with one location each. Paths no item has are ignored.
    """
    n = len(phones)
    known = {item.id: item for item in ITEMS}
    if items is None:
        items = [number for number, item in known.items() if _paths(item) & columns.keys()]
    parts = [_basic(event_time, columns, n)]
    for number in items:
        if number not in known:
            raise Invalid(f"there is no additional item 0x{number:02X} in the standard")
        parts.append(_item(known[number], columns, n))
    body = np.concatenate(parts, axis=1)
    if reissued:
        size = body.shape[1]
        head = np.array([0, 1, 1, size >> 8, size & 0xFF], np.uint8)
        body = np.concatenate([np.tile(head, (n, 1)), body], axis=1)
    message = BATCH if reissued else REPORT
    return _sealed(message, phones, body, edition, np.broadcast_to(np.asarray(serial), n))


def _sealed(
    message: int, phones: Bytes, body: Bytes, edition: int, serial: NDArray[np.int64]
) -> Frames:
    n, size = body.shape
    if size > 0x3FF:
        raise Invalid(f"a body has at most 1023 bytes, not {size}")
    new = edition == 2019
    head = np.empty((n, 5 + new + phones.shape[1] + 2), np.uint8)
    head[:, 0] = 0x7E
    head[:, 1:3] = divmod(message, 256)
    head[:, 3:5] = divmod(size | (0x4000 if new else 0), 256)
    if new:
        head[:, 5] = 1
    head[:, 5 + new : -2] = phones
    head[:, -2] = serial >> 8 & 0xFF
    head[:, -1] = serial & 0xFF
    whole = np.concatenate([head, body, np.zeros((n, 2), np.uint8)], axis=1)
    whole[:, -2] = np.bitwise_xor.reduce(whole[:, 1:], axis=1)
    whole[:, -1] = 0x7E
    width = whole.shape[1]
    rows = np.arange(n)
    buffer, start, end = escape(whole.ravel(), rows * width + 1, rows * width + width - 1, ESCAPES)
    return frames_of(buffer, start - 1, end - start + 2, rows)


def _paths(item: Item) -> set[str]:
    return {one.path for one in item.fields}


def _basic(event_time: NDArray[np.int64], columns: Columns, n: int) -> Bytes:
    out = np.zeros((n, BASIC_BYTES), np.uint8)
    for one in BASIC:
        _write(out, one, columns.get(one.path))
    for name, at, bit in (("Latitude", 8, 2), ("Longitude", 12, 3)):
        values = columns.get(f"{LOCATION}.{name}")
        if values is None:
            continue
        known = np.nan_to_num(np.asarray(values, np.float64))
        out[:, 7] |= (known < 0).astype(np.uint8) << np.uint8(bit)
        _put(out, at, 4, np.rint(np.abs(known) * 1e6).astype(np.int64))
    if f"{LOCATION}.IsValid" not in columns and f"{LOCATION}.Latitude" in columns:
        out[:, 7] |= np.isfinite(columns[f"{LOCATION}.Latitude"]).astype(np.uint8) << np.uint8(1)
    out[:, 22:28] = bcd_times(event_time)
    return out


def _item(item: Item, columns: Columns, n: int) -> Bytes:
    size = max(item.sizes)
    if size < 0 or item.series:
        raise Invalid(f"item 0x{item.id:02X} cannot be encoded for many vehicles at once")
    out = np.zeros((n, 2 + size), np.uint8)
    out[:, 0], out[:, 1] = item.id, size
    for one in item.fields:
        _write(out[:, 2:], one, columns.get(one.path))
    return out


def _write(out: Bytes, one: Field, values: NDArray[Any] | None) -> None:
    """Put a field's raw numbers into uint8 (n, size), over what is there."""
    if values is None:
        return
    known = np.nan_to_num(np.asarray(values, np.float64))
    made = compiled(plan().catalogue, one)
    if one.codes is not None:
        words = made.signal.words
        raw = np.zeros(len(known), np.int64)
        for code, word in one.codes.items():
            raw[known == (words.index(word) if isinstance(word, str) else word)] = code
    else:
        multiply, divide, add = made.step or (1.0, 1.0, 0.0)
        raw = np.rint((known - add) * divide / multiply).astype(np.int64)
        top = np.int64(1) << (8 * one.width)
        if one.signed == "bit":
            raw = np.where(raw < 0, top // 2 - raw, raw)
        elif one.signed == "two":
            raw = np.where(raw < 0, raw + top, raw)
        raw = np.clip(raw, 0, top - 1)
    _put(out, one.at, one.width, (raw & one.mask if one.mask else raw) << one.shift)


def _put(out: Bytes, at: int, width: int, raw: NDArray[np.int64]) -> None:
    for byte in range(width):
        out[:, at + byte] |= (raw >> 8 * (width - 1 - byte)).astype(np.uint8)
