"""Codes become words and words codes, by column and without surprises."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import Invalid
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.words import as_carried, as_stored, code_of, to_codes, to_words

CATALOGUE = load_catalogue()
STATE = CATALOGUE["Vehicle.Powertrain.TractionBattery.Charging.State"]
ENUMS = [signal for signal in CATALOGUE.values() if signal.is_enum]


@pytest.mark.parametrize("signal", ENUMS, ids=lambda signal: signal.path)
def test_every_enumeration_goes_there_and_back(signal) -> None:  # type: ignore[no-untyped-def]
    codes = pa.array([*range(len(signal.words)), None], pa.uint8())
    words = to_words(signal, codes)
    assert words.type == signal.stored_type
    assert words.to_pylist() == [*signal.words, None]
    assert to_codes(signal, words).equals(codes)
    assert to_codes(signal, words.cast(pa.string())).equals(codes)


@given(st.lists(st.one_of(st.none(), st.integers(0, 255)), max_size=20))
def test_a_code_without_a_word_becomes_null(values: list[int | None]) -> None:
    words = to_words(STATE, pa.array(values, pa.uint8()))
    words.validate(full=True)
    expected = [None if v is None or v >= len(STATE.words) else STATE.words[v] for v in values]
    assert words.to_pylist() == expected


def test_an_unknown_word_becomes_null() -> None:
    assert to_codes(STATE, pa.array(["PARKED", "parked", None])).to_pylist() == [0, None, None]


def test_code_of_says_which_words_there_are() -> None:
    assert code_of(STATE, "COMPLETED") == 3
    with pytest.raises(Invalid, match="PARKED, DRIVING"):
        code_of(STATE, "FULL")


def test_batches_become_tables_and_back() -> None:
    data = pa.record_batch(
        {
            "vehicle": pa.array([1, 2], pa.uint64()),
            STATE.path: pa.array([1, None], pa.uint8()),
            "Vehicle.Alarm.Level": pa.array([3, 0], pa.uint8()),
        }
    )
    stored = as_stored(data, CATALOGUE)
    assert stored.column(STATE.path).to_pylist() == ["DRIVING", None]
    assert stored.column("Vehicle.Alarm.Level").equals(data.column("Vehicle.Alarm.Level"))
    assert as_stored(stored, CATALOGUE).equals(stored)
    assert as_carried(stored, CATALOGUE).equals(data)
    assert as_carried(data, CATALOGUE).equals(data)
