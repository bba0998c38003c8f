"""Forms of names: what is kept, and what is none."""

from __future__ import annotations

import pytest

from motorcade.errors import Invalid
from motorcade.fleet.names import tidied


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("phone", ""),
        ("phone", "000"),
        ("phone", "1380000111x"),
        ("phone", "1" * 21),
        ("phone", "٣٤"),
        ("imei", "12345678901234"),
        ("imei", "12345678901234a"),
        ("device", "00a1"),
        ("device", "00a1b2c3d4e5f6g7"),
        ("device", "00a1b2c3d4e5f60708"),
        ("device", "00a1b2c3 d4e5f60"),
        ("vin", "LSVTEST0000000001"),
        ("", "1"),
    ],
)
def test_what_is_no_name(kind: str, value: str) -> None:
    with pytest.raises(Invalid):
        tidied(kind, value)


def test_how_names_are_kept() -> None:
    assert tidied("phone", " 0013800001111 ") == "13800001111"
    assert tidied("imei", "001234567890123") == "001234567890123"
    assert tidied("device", "00A1b2c3d4E5f607") == "00a1b2c3d4e5f607"
