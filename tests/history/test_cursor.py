"""Cursors lead back to their place, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import Invalid
from motorcade.history.cursor import Place, decode_cursor, encode_cursor

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.builds(Place, INT64, st.sampled_from(["", "report", "login"]), INT64))
def test_a_cursor_leads_back(place: Place) -> None:
    text = encode_cursor(place)
    assert decode_cursor(text) == place
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text())
def test_other_text_is_refused(text: str) -> None:
    try:
        decode_cursor(text)
    except Invalid:
        return
    assert encode_cursor(decode_cursor(text))


def test_a_long_one_is_refused() -> None:
    with pytest.raises(Invalid):
        decode_cursor("A" * 5000)
