"""VINs: published examples, every kind of fault, and made-up ones that hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.fleet.vin import (
    FAULTS,
    VIN_CHARACTERS,
    build,
    check_digit,
    fault,
    faults,
    valid,
)

# 49 CFR 565.15 (c)(4)'s worked example, and the all-ones VIN every description of the rule gives.
PUBLISHED = ["1G4AH59H45G118341", "11111111111111111", "1M8GDM9AXKP042788"]


@pytest.mark.parametrize("vin", PUBLISHED)
def test_published_vins_have_the_right_check_digit(vin: str) -> None:
    assert check_digit(vin) == vin[8]
    assert valid(vin, check=True)
    wrong = vin[:8] + ("2" if vin[8] != "2" else "3") + vin[9:]
    assert check_digit(wrong) == vin[8]
    assert fault(wrong, check=True) == "vin_check_digit"
    assert valid(wrong)


@pytest.mark.parametrize(
    ("vin", "name"),
    [
        ("", "vin_length"),
        ("1M8GDM9AXKP04278", "vin_length"),
        ("1M8GDM9AXKP0427888", "vin_length"),
        ("IM8GDM9AXKP042788", "vin_characters"),
        ("1M8GDM9AXKO042788", "vin_characters"),
        ("1M8GDM9AXKQ042788", "vin_characters"),
        ("1m8gdm9axkp042788", "vin_characters"),
        ("1M8GDM9AXKP04278 ", "vin_characters"),
        ("1M8GDM9AXKP04278\0", "vin_characters"),
        ("1M8GDM9AXKP0427é", "vin_characters"),
        ("京M8GDM9AXKP0427", "vin_characters"),
    ],
)
def test_faults_by_name(vin: str, name: str) -> None:
    assert fault(vin) == fault(vin, check=True) == name


def test_made_up_vins_hold_and_differ() -> None:
    vins = build(np.random.default_rng(7), "LSV", 5000, first_serial=10)
    assert len(set(vins)) == 5000
    assert not faults(vins, check=True).any()
    assert all(vin.startswith("LSV") for vin in vins)
    assert vins[0].endswith("000010")
    assert vins == build(np.random.default_rng(7), "LSV", 5000, first_serial=10)
    assert build(np.random.default_rng(7), "LSV", 0) == []


@given(st.lists(st.text(max_size=20)))
def test_any_text_is_judged_one_by_one_as_in_bulk(texts: list[str]) -> None:
    found = [FAULTS[number] for number in faults(texts, check=True)]
    assert found == [fault(text, check=True) for text in texts]


@given(st.text(VIN_CHARACTERS, min_size=17, max_size=17), st.integers(0, 16), st.data())
def test_most_slips_of_one_character_are_noticed(vin: str, place: int, data: st.DataObject) -> None:
    """The sum is modulo 11 and letters share values: a slip to a sign of another value shows."""
    right = vin[:8] + check_digit(vin) + vin[9:]
    sign = data.draw(st.sampled_from(VIN_CHARACTERS))
    slipped = right[:place] + sign + right[place + 1 :]
    same_value = check_digit(slipped) == check_digit(right) and place != 8
    assert valid(slipped, check=True) == (slipped == right or same_value)
