"""Names of an import: a plan that a million rows do not spoil."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.fleet import importing_names
from motorcade.fleet.registry import Fleet
from motorcade.fleet.vin import build

pytestmark = pytest.mark.engines


async def test_many_names_at_once(fleet: Fleet) -> None:
    assert importing_names.__all__ == ["named", "taken"]
    await fleet.create_tenant("a")
    vins = build(np.random.default_rng(5), "LSV", 5000)
    text = "vin,phone,device\n" + "\n".join(
        f"{vin},{13800000000 + n},{n:016x}" for n, vin in enumerate(vins)
    )
    assert (await fleet.import_vehicles(1, text.encode())).added == 5000
    again = await fleet.import_vehicles(1, text.replace("LSV", "LFV").encode())
    assert again.error_count == 10_000
    assert {error.code for error in again.errors} == {"taken"}
    found = await fleet.identify("device", [f"{n:016x}" for n in range(5000)])
    assert [found[f"{n:016x}"].vin for n in range(5000)] == vins
