"""What a tenant may set about its GB/T 32960 vehicles: the key of its data units and tables of its
own items."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["TenantSettings", "CustomField", "CustomTable"]


class CustomField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value inside a custom information item (0x80 to 0xFE)."""

    path: str
    """Where the value goes: a path of the catalogue."""
    offset: int = 0
    """Byte of the item's data where the value begins."""
    format: Literal["u8", "u16", "u32", "i8", "i16", "i32", "u16le", "u32le", "i16le", "i32le"] = (
        "u8"
    )
    """Width, sign and byte order (big-endian without ``le``)."""
    shift: int = 0
    """Bits the raw number is shifted right before it is masked."""
    mask: int = 0
    """Bits kept after the shift; 0 keeps all. With a mask or shift, the markers below apply to what
    is left."""
    scale: float = 1.0
    """Factor from raw number to ``unit``."""
    add: float = 0.0
    """Added after scaling."""
    unit: str = ""
    """Unit of the scaled value; empty: the catalogue's."""
    invalid: int | None = None
    """Raw number that says the value is invalid."""
    abnormal: int | None = None
    """Raw number that says the value is abnormal."""
    codes: dict[int, str] = {}
    """For enumerations: raw number to the catalogue's word."""


class CustomTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one custom information type is laid out."""

    type: int
    """Information type, 0x80 to 0xFE."""
    fields: tuple[CustomField, ...] = ()
    """Its values. A value that reaches beyond an item's end is not reported by that item."""


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything ``decode`` and ``answer`` want to know about a tenant."""

    aes_key: bytes | None = None
    """16 bytes; None: the tenant's encrypted frames are refused."""
    aes_mode: Literal["ecb", "cbc"] = "ecb"
    """Block mode; the standard names none."""
    aes_iv: bytes = bytes(16)
    """Initialisation vector of ``cbc``."""
    aes_padding: Literal["pkcs7", "none"] = "pkcs7"
    """How the data unit was filled up to whole blocks."""
    custom: tuple[CustomTable, ...] = ()
    """Tables of custom information types."""
