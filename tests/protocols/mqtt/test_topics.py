"""What a vehicle may publish and subscribe to."""

from __future__ import annotations

import pytest

from motorcade.protocols.mqtt.topics import covers_commands, down, filter_fault, is_channel, up

VIN = "LMCTEST0000000001"


def test_a_vehicle_has_one_branch_up_and_one_down() -> None:
    assert up(VIN) == b"v/LMCTEST0000000001/up/"
    assert down(VIN) == "v/LMCTEST0000000001/down/"


@pytest.mark.parametrize("name", [b"json", b"a", b"GB-1.x_y", b"0" * 64])
def test_channels_are_words(name: bytes) -> None:
    assert is_channel(name)


@pytest.mark.parametrize(
    "name", [b"", b"a/b", b"+", b"#", b".a", b"-a", b"a b", b"\xc3\xa4", b"a\n", b"0" * 65]
)
def test_other_names_are_no_channels(name: bytes) -> None:
    assert not is_channel(name)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (f"v/{VIN}/down/#", ""),
        (f"v/{VIN}/down/+", ""),
        (f"v/{VIN}/down/x/y", ""),
        (f"v/{VIN}/down/", "not_authorized"),
        (f"v/{VIN}/down", "not_authorized"),
        (f"v/{VIN}/#", "not_authorized"),
        ("v/+/down/#", "not_authorized"),
        ("", "not_authorized"),
        (f"v/{VIN}/down/#/x", "filter"),
        (f"v/{VIN}/down/x+", "filter"),
        (f"$share/a/v/{VIN}/down/#", "shared"),
        (f"v/{VIN}/down/{'x' * 75}", ""),
        (f"v/{VIN}/down/{'x' * 76}", "quota"),
        (f"v/{VIN}/down/{'ä' * 38}", "quota"),
    ],
)
def test_filters_are_below_down(name: str, fault: str) -> None:
    assert filter_fault(name, VIN) == fault


def test_commands_are_covered_by_what_matches_them() -> None:
    assert covers_commands(f"v/{VIN}/down/#", VIN)
    assert not covers_commands(f"v/{VIN}/down/x", VIN)
