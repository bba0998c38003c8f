"""Payloads as JSON or CBOR (RFC 8949) become plain objects; the first byte tells which it is.

A message is an object or a list. In JSON it begins with ``{``, ``[`` or white space, none of which
begins a map or a list in CBOR, so nobody has to name the format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cbor2
import msgspec

from motorcade.errors import Invalid

__all__ = ["read_payload", "read_texts"]

_DEPTH_MAX: Final = 16
"""Nested containers: a message needs four."""

_JSON: Final = frozenset(b"{[ \t\r\n")
_READ_JSON: Final = msgspec.json.Decoder().decode

_COSTLY: Final = (4, 5, 25, 28, 29, 30, 35, 36, 37, 256, 258, 260, 261)
"""Tags that make fractions of any size, patterns, shared and circular objects: no reading has one,
and they are where a reader can be made to work for a few bytes."""


def read_payload(data: bytes | memoryview) -> Any:
    """What ``data`` holds: mappings, lists, numbers, texts, booleans, None and, of CBOR, bytes,
    times and tags. ``Invalid`` says what is wrong."""
    if not data:
        raise Invalid("the payload is empty")
    if data[0] in _JSON:
        try:
            return _READ_JSON(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"the payload is no JSON: {error}") from error
        except RecursionError:
            raise Invalid("the payload is nested too deep") from None
    try:
        return cbor2.loads(
            bytes(data),
            semantic_decoders=_DECODERS,
            max_depth=_DEPTH_MAX,
            strict_hashable_types=True,
        )
    except (cbor2.CBORDecodeError, ValueError, OverflowError, RecursionError) as error:
        raise Invalid(f"the payload is neither JSON nor CBOR: {error}") from error


def read_texts(texts: Sequence[bytes]) -> list[Any] | None:
    """What payloads hold that are JSON, all of them; None where one is not, or is none at all."""
    if not all(texts) or not _JSON.issuperset([text[0] for text in texts]):
        return None
    try:
        return list(map(_READ_JSON, texts))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _refuse(*_: Any) -> Any:
    raise ValueError("a tag that no reading has")


_DECODERS: Final = dict.fromkeys(_COSTLY, _refuse)
