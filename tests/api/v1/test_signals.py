"""``/v1/signals``: the catalogue, searched."""

from __future__ import annotations

import pytest

from api.world import SPEED, World

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_search_finds_path_type_unit_and_who_speaks_it(world: World) -> None:
    body = (await world.get("alpha", "/v1/signals", search=SPEED)).json()
    found = {signal["path"]: signal for signal in body["signals"]}
    assert found[SPEED]["unit"] == "km/h"
    assert found[SPEED]["type"] == "float"
    assert found[SPEED]["protocols"] == ["gbt32960"]
    assert body["found"] >= len(found)


async def test_all_words_must_occur(world: World) -> None:
    body = (await world.get("alpha", "/v1/signals", search="motor temperature")).json()
    assert body["signals"]
    for signal in body["signals"]:
        text = " ".join(str(value) for value in signal.values()).lower()
        assert "motor" in text
        assert "temperature" in text


async def test_the_count_goes_beyond_the_limit(world: World) -> None:
    body = (await world.get("alpha", "/v1/signals", limit=3)).json()
    assert len(body["signals"]) == 3
    assert body["found"] > 1000
    none = (await world.get("alpha", "/v1/signals", search="no such thing at all")).json()
    assert none == {"signals": [], "found": 0}
