"""Where a page of history ended: the place of its last row, as opaque text for the caller."""

from __future__ import annotations

import base64
import binascii

import msgspec

from motorcade.errors import Invalid

__all__ = ["Place", "decode_cursor", "encode_cursor"]

_CHARS_MAX = 200


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A row's place in a vehicle's history; rows are in order of time, kind and record.

    Down-sampled pages name the next window's start alone.
    """

    time_us: int
    kind: str = ""
    record: int = -(1 << 63)


def encode_cursor(place: Place) -> str:
    """URL-safe text."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def decode_cursor(text: str) -> Place:
    """What ``encode_cursor`` made; ``Invalid`` for anything else."""
    try:
        if len(text) > _CHARS_MAX:
            raise ValueError("too long")
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.msgpack.decode(data, type=Place)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise Invalid("the cursor is not one this API gave out") from error
