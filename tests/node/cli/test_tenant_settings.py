"""Single settings of a tenant laid over what is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from motorcade.errors import Invalid
from motorcade.fleet.settings import Gbt32960Settings, TenantSettings
from motorcade.node.cli.tenant_settings import changed, read

_BEFORE = TenantSettings(
    auto_register_wmi=("LSG",), gbt32960=Gbt32960Settings(aes_key_hex="0" * 32)
)


def test_what_is_not_named_stays() -> None:
    after = changed(_BEFORE, ["vin_check_digit=true", "gbt32960.aes_mode=cbc"])
    assert after.vin_check_digit
    assert after.auto_register_wmi == ("LSG",)
    assert (after.gbt32960.aes_mode, after.gbt32960.aes_key_hex) == ("cbc", "0" * 32)


@pytest.mark.parametrize("text", ["LSV,0AA", '["LSV", "0AA"]'])
def test_lists_and_numbers(text: str) -> None:
    after = changed(_BEFORE, [f"auto_register_wmi={text}", "history_retention_days=30"])
    assert after.auto_register_wmi == ("LSV", "0AA")
    assert after.history_retention_days == 30
    assert changed(after, ["history_retention_days=null"]).history_retention_days is None


def test_a_key_of_digits_stays_text() -> None:
    assert changed(_BEFORE, ["gbt32960.aes_key_hex=" + "1" * 32]).aes_key == b"\x11" * 16


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("vin_check_digt=true", r"did you mean vin_check_digit\?"),
        ("vin_check_digit", "key=value"),
        ("vin_check_digit=perhaps", "vin_check_digit"),
        ("gbt32960={}", "no setting gbt32960"),
    ],
)
def test_mistakes_are_told(assignment: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        changed(_BEFORE, [assignment])


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot read"):
        read(tmp_path)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(Invalid, match="is not JSON"):
        read(tmp_path / "x.json")
