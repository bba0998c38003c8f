"""What a tenant decides about its own vehicles; stored as JSON beside the tenant.

In: JSON from people. Out: a checked ``TenantSettings``. Unknown keys are errors. The attributes
``aes_key`` and ``custom`` are what the GB/T 32960 decoder asks of a tenant's settings.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from motorcade.errors import Invalid
from motorcade.fleet.vin import VIN_CHARACTERS

__all__ = ["CustomField", "TenantSettings", "check_settings", "settings_from_json", "settings_to_json"]


class CustomField(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One value inside a custom information type (GB/T 32960.3, types 0x80 to 0xFE)."""

    path: str
    """Signal path the value is stored under."""
    offset: int
    """Bytes from the start of the item's content."""
    format: Literal["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"]
    """Big-endian integer of so many bits, ``u`` without sign."""
    scale: float = 1.0
    """Value per unit of the integer."""
    add: float = 0.0
    """Added after scaling."""
    invalid: int | None = None
    """The integer that means "invalid"."""
    abnormal: int | None = None
    """The integer that means "abnormal"."""


class TenantSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Everything one tenant may set."""

    vin_check_digit: bool = False
    """Refuse VINs whose check digit is wrong (vehicles made for China carry one)."""
    auto_register_wmi: tuple[str, ...] = ()
    """VIN prefixes of 3 to 11 characters whose vehicles are registered at their first login. No
    prefix belongs to two tenants; the longest that fits decides."""
    acknowledge_reports: Literal["always", "standard"] | None = None
    """Whether a correct report on a terminal link is answered; null: as the gateway is set."""
    aes_key_hex: str = ""
    """AES-128 key of encrypted data units, 32 hexadecimal digits; empty: none."""
    custom_types: dict[str, tuple[CustomField, ...]] = {}
    """Tables for custom information types by their number (``0x80`` to ``0xFE``)."""

    @property
    def aes_key(self) -> bytes | None:
        """The AES-128 key, 16 bytes, or null."""
        return bytes.fromhex(self.aes_key_hex) if self.aes_key_hex else None

    @property
    def custom(self) -> dict[int, tuple[CustomField, ...]]:
        """The custom tables by information type number."""
        return {int(number, 0): fields for number, fields in self.custom_types.items()}

    def redacted(self) -> TenantSettings:
        """The same with keys replaced by a sign that there is one; for showing."""
        return msgspec.structs.replace(self, aes_key_hex="set" if self.aes_key_hex else "")


def settings_from_json(value: Any) -> TenantSettings:
    """Settings from parsed JSON; ``Invalid`` names what is wrong."""
    try:
        settings = msgspec.convert(value, TenantSettings)
    except msgspec.ValidationError as error:
        raise Invalid(f"tenant settings: {error}") from error
    check_settings(settings)
    return settings


def settings_to_json(settings: TenantSettings) -> str:
    """Settings as JSON text, only what differs from the defaults of today."""
    defaults = msgspec.to_builtins(TenantSettings())
    values = msgspec.to_builtins(settings)
    return msgspec.json.encode(
        {name: value for name, value in values.items() if value != defaults[name]}
    ).decode()


def check_settings(settings: TenantSettings) -> None:
    """Raise ``Invalid`` for values whose type is right and whose content is not."""
    for prefix in settings.auto_register_wmi:
        if not 3 <= len(prefix) <= 11 or set(prefix) - set(VIN_CHARACTERS):
            raise Invalid(
                f"auto_register_wmi: {prefix!r} is no VIN prefix: 3 to 11 digits and capitals,"
                " without I, O and Q"
            )
    if settings.aes_key_hex:
        try:
            size = len(bytes.fromhex(settings.aes_key_hex))
        except ValueError:
            size = 0
        if size != 16:
            raise Invalid("aes_key_hex: an AES-128 key is 32 hexadecimal digits")
    for name, fields in settings.custom_types.items():
        try:
            number = int(name, 0)
        except ValueError:
            number = 0
        if not 0x80 <= number <= 0xFE:
            raise Invalid(f"custom_types: {name!r} is not a type number from 0x80 to 0xFE")
        if any(not 0 <= field.offset < 65_535 or not field.path for field in fields):
            raise Invalid(f"custom_types: {name} has a field without path or with a bad offset")
