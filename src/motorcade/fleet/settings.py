"""What a tenant decides about its own vehicles; stored as JSON beside the tenant.

In: JSON from people. Out: a checked ``TenantSettings``. Unknown keys are errors. Besides its tables
per protocol it carries the attributes that ``protocols.gbt32960`` and the gateway read of a tenant.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from motorcade.errors import CallerError, Invalid
from motorcade.fleet.vin import VIN_CHARACTERS
from motorcade.protocols.gbt32960.custom import check_tables
from motorcade.protocols.gbt32960.plan import plan
from motorcade.protocols.gbt32960.settings import CustomTable

__all__ = [
    "Gbt32960Settings",
    "TenantSettings",
    "check_settings",
    "settings_from_json",
    "settings_to_json",
]

_AES_BYTES = 16


class Gbt32960Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a tenant sets about its GB/T 32960 vehicles."""

    acknowledge_reports: Literal["always", "standard"] | None = None
    """Whether a correct report on a terminal link is answered; null: as the gateway is set."""
    aes_key_hex: str = ""
    """AES-128 key of encrypted data units, 32 hexadecimal digits; empty: those are refused."""
    aes_mode: Literal["ecb", "cbc"] = "ecb"
    """Block mode; the standard names none."""
    aes_iv_hex: str = ""
    """Initialisation vector of ``cbc``, 32 hexadecimal digits; empty: zeros."""
    aes_padding: Literal["pkcs7", "none"] = "pkcs7"
    """How the data unit was filled up to whole blocks."""
    custom: tuple[CustomTable, ...] = ()
    """Tables of custom information types (0x80 to 0xFE)."""


class TenantSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Everything one tenant may set."""

    vin_check_digit: bool = False
    """Refuse VINs whose check digit is wrong (vehicles made for China carry one)."""
    auto_register_wmi: tuple[str, ...] = ()
    """VIN prefixes of 3 to 11 characters whose vehicles are registered at their first login. A
    prefix that overlaps another tenant's is refused."""
    history_retention_days: int | None = None
    """Days of history kept, 0 for all; null: as the platform is set."""
    gbt32960: Gbt32960Settings = Gbt32960Settings()
    """About vehicles that speak GB/T 32960."""

    @property
    def acknowledge_reports(self) -> str | None:
        """``always``, ``standard`` or null."""
        return self.gbt32960.acknowledge_reports

    @property
    def aes_key(self) -> bytes | None:
        """The AES-128 key, 16 bytes, or null."""
        text = self.gbt32960.aes_key_hex
        return bytes.fromhex(text) if text else None

    @property
    def aes_mode(self) -> str:
        """``ecb`` or ``cbc``."""
        return self.gbt32960.aes_mode

    @property
    def aes_iv(self) -> bytes:
        """The initialisation vector, 16 bytes."""
        return bytes.fromhex(self.gbt32960.aes_iv_hex) or bytes(_AES_BYTES)

    @property
    def aes_padding(self) -> str:
        """``pkcs7`` or ``none``."""
        return self.gbt32960.aes_padding

    @property
    def custom(self) -> tuple[CustomTable, ...]:
        """Tables of custom information types."""
        return self.gbt32960.custom

    def redacted(self) -> TenantSettings:
        """The same with the key replaced by ``set``; for showing."""
        shown = "set" if self.gbt32960.aes_key_hex else ""
        return msgspec.structs.replace(
            self, gbt32960=msgspec.structs.replace(self.gbt32960, aes_key_hex=shown)
        )


def settings_from_json(value: Any, *, stored: bool = False) -> TenantSettings:
    """Settings from parsed JSON; ``Invalid`` names what is wrong. ``stored``: from our tables."""
    try:
        settings = msgspec.convert(value, TenantSettings, str_keys=True)
    except msgspec.ValidationError as error:
        raise Invalid(f"tenant settings: {error}") from error
    check_settings(settings, stored=stored)
    return settings


def settings_to_json(settings: TenantSettings) -> str:
    """Settings as JSON text, only what differs from today's defaults."""
    defaults = msgspec.to_builtins(TenantSettings())
    values = msgspec.to_builtins(settings, str_keys=True)
    changed = {name: value for name, value in values.items() if value != defaults[name]}
    return msgspec.json.encode(changed).decode()


def check_settings(settings: TenantSettings, *, stored: bool = False) -> None:
    """Raise ``Invalid`` for values whose type is right and whose content is not.

    The custom tables of ``stored`` settings were checked when they were set; the catalogue may
    have changed since, and decoding passes over what it no longer has.
    """
    for prefix in settings.auto_register_wmi:
        if not 3 <= len(prefix) <= 11 or set(prefix) - set(VIN_CHARACTERS):
            raise Invalid(
                f"auto_register_wmi: {prefix!r} is no VIN prefix: 3 to 11 digits and capitals,"
                " without I, O and Q"
            )
    if not 0 <= (settings.history_retention_days or 0) <= 36_500:
        raise Invalid("history_retention_days: 0 to 36500")
    _check_hex("gbt32960.aes_key_hex", settings.gbt32960.aes_key_hex)
    _check_hex("gbt32960.aes_iv_hex", settings.gbt32960.aes_iv_hex)
    if not stored:
        try:
            check_tables(plan().catalogue, settings.custom)
        except CallerError as error:
            raise Invalid(f"gbt32960.custom: {error.detail}") from error


def _check_hex(name: str, text: str) -> None:
    try:
        size = len(bytes.fromhex(text))
    except ValueError:
        size = -1
    if size not in (0, _AES_BYTES) or (text and size == 0):
        raise Invalid(f"{name}: {_AES_BYTES} bytes, as 32 hexadecimal digits")
