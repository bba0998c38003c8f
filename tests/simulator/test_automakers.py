"""Invented automakers are distinct tenants with distinct, well-formed prefixes."""

from __future__ import annotations

import re

import pytest

from motorcade.errors import Invalid
from motorcade.fleet.vin import VIN_CHARACTERS
from motorcade.simulator.automakers import AUTOMAKERS_MAX, automakers


@pytest.mark.parametrize("count", [1, 92, AUTOMAKERS_MAX])
def test_names_and_prefixes_are_distinct_and_well_formed(count: int) -> None:
    makers = automakers(count)
    assert len({maker.name for maker in makers}) == len({maker.wmi for maker in makers}) == count
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", maker.name) for maker in makers)
    assert all(len(maker.wmi) == 3 and not set(maker.wmi) - set(VIN_CHARACTERS) for maker in makers)


def test_more_of_them_do_not_change_the_first() -> None:
    assert automakers(AUTOMAKERS_MAX)[:92] == automakers(92)


@pytest.mark.parametrize("count", [0, AUTOMAKERS_MAX + 1])
def test_other_numbers_are_refused(count: int) -> None:
    with pytest.raises(Invalid):
        automakers(count)
