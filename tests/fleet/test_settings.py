"""Tenant settings: what is accepted, what is refused, and that the decoder finds what it reads."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from motorcade.errors import Invalid
from motorcade.fleet.settings import (
    TenantSettings,
    settings_from_json,
    settings_to_json,
)
from motorcade.protocols.gbt32960.settings import TenantSettings as DecoderSettings

MODE = "Vehicle.Powertrain.RunningMode"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
FULL: dict[str, Any] = {
    "vin_check_digit": True,
    "auto_register_wmi": ["LSV", "LFVA12"],
    "history_retention_days": 30,
    "gbt32960": {
        "acknowledge_reports": "standard",
        "aes_key_hex": "000102030405060708090a0b0c0d0e0f",
        "aes_mode": "cbc",
        "custom": [
            {"type": 128, "fields": [{"path": MODE, "codes": {"1": "HYBRID"}}]},
        ],
    },
}


def test_everything_survives_storage() -> None:
    settings = settings_from_json(FULL)
    assert settings_from_json(json.loads(settings_to_json(settings))) == settings
    assert settings.aes_key == bytes(range(16))
    assert settings.custom[0].fields[0].codes == {1: "HYBRID"}
    assert settings_to_json(TenantSettings()) == "{}"


def test_the_decoder_finds_every_setting_it_reads() -> None:
    ours, theirs = TenantSettings(), DecoderSettings()
    for name in msgspec.structs.asdict(theirs):
        assert getattr(ours, name) == getattr(theirs, name)


def test_keys_are_not_shown() -> None:
    shown = settings_from_json(FULL).redacted()
    assert "0001" not in repr(shown)
    assert shown.gbt32960.aes_key_hex == "set"
    assert TenantSettings().redacted() == TenantSettings()


@pytest.mark.parametrize(
    "bad",
    [
        {"colour": "red"},
        {"history_retention_days": -1},
        {"gbt32960": {"colour": "red"}},
        {"auto_register_wmi": ["LS"]},
        {"auto_register_wmi": ["lsv"]},
        {"auto_register_wmi": ["LSO"]},
        {"auto_register_wmi": ["LSVAAAAAAAAA"]},
        {"gbt32960": {"aes_key_hex": "00"}},
        {"gbt32960": {"aes_key_hex": "zz" * 16}},
        {"gbt32960": {"aes_key_hex": " "}},
        {"gbt32960": {"aes_iv_hex": "00" * 15}},
        {"gbt32960": {"acknowledge_reports": "never"}},
        {"gbt32960": {"custom": [{"type": 1, "fields": []}]}},
        {"gbt32960": {"custom": [{"type": 128}, {"type": 128}]}},
        {"gbt32960": {"custom": [{"type": 128, "fields": [{"path": ""}]}]}},
        {"gbt32960": {"custom": [{"type": 128, "fields": [{"path": "a", "offset": -1}]}]}},
        {"gbt32960": {"custom": [{"type": 128, "fields": [{"path": "Vehicle.Speeed"}]}]}},
        {"gbt32960": {"custom": [{"type": 128, "fields": [{"path": CELLS}]}]}},
        {"gbt32960": {"custom": [{"type": 128, "fields": [{"path": MODE}]}]}},
        [],
    ],
)
def test_what_is_refused(bad: Any) -> None:
    with pytest.raises(Invalid):
        settings_from_json(bad)
