"""Remote reads: the same answers as local ones, large ones in pieces, errors as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from motorcade.errors import Invalid, NotFound
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue
from motorcade.twin import service as service_module
from motorcade.twin.reader import TwinReader
from motorcade.twin.service import RemoteTwin, TwinService, select_subject, state_subject
from motorcade.twin.writer import TwinWriter

SPEED = "Vehicle.Speed"
MODE = "Vehicle.Powertrain.DriveMotor.Motor1.State"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
LONGITUDE = "Vehicle.CurrentLocation.Longitude"
VEHICLES = range(1, 90)


@pytest.fixture
def twin(tmp_path: Path, make: Any, catalogue: Catalogue) -> Any:
    """Two partitions, a service for each, and what asks them and reads the files."""
    rows = [
        (v, 0, {SPEED: float(v), MODE: "OFF", CELLS: [1.0, None], LATITUDE: 1.0, LONGITUDE: 2.0})
        for v in VEHICLES
    ]
    writers = [TwinWriter(tmp_path, number, 2, catalogue) for number in range(2)]
    handlers = {}
    for number, writer in enumerate(writers):
        writer.apply([make(rows), make([(4, 1, {SPEED: Quality.INVALID})])])
        service = TwinService(TwinReader(tmp_path, 2, catalogue, only=[number]))
        handlers[state_subject(number)] = service.state
        handlers[select_subject(number)] = service.select

    async def request(subject: str, payload: bytes, timeout_s: float) -> bytes:
        return await handlers[subject](payload)

    yield RemoteTwin(request, 2), TwinReader(tmp_path, 2, catalogue), handlers
    for writer in writers:
        writer.close()


async def test_states_are_the_same(twin: Any) -> None:
    remote, local, _ = twin
    for vehicle in (1, 4, 89, 1000):
        assert await remote.fetch(vehicle, 7) == local.state(vehicle, 7)
        assert await remote.fetch(vehicle, 8) is None
    assert await remote.fetch(4, 7, [SPEED]) == local.state(4, 7, [SPEED])


@pytest.mark.parametrize("bytes_max", [1 << 20, 1_500])
async def test_selections_are_the_same_however_often_they_are_cut(
    twin: Any, monkeypatch: pytest.MonkeyPatch, bytes_max: int
) -> None:
    monkeypatch.setattr(service_module, "TWIN_ANSWER_BYTES_MAX", bytes_max)
    remote, local, _ = twin
    asked = {
        "bbox": (1.0, 0.0, 3.0, 2.0),
        "where": f"{SPEED} > 5 AND {MODE} = 'OFF'",
        "signals": [SPEED, MODE, CELLS],
    }
    for limit, after in ((1000, 0), (10, 0), (10, 33), (1000, 89)):
        there = await remote.select(7, limit=limit, after=after, **asked)
        here = local.select(7, limit=limit, after=after, **asked)
        assert there.to_pylist() == here.to_pylist()
        assert there.schema == here.schema


async def test_errors_are_the_readers_own(twin: Any) -> None:
    remote, _, handlers = twin
    with pytest.raises(NotFound):
        await remote.fetch(1, 7, ["Vehicle.Sped"])
    with pytest.raises(Invalid, match="The predicate"):
        await remote.select(7, where="Vehicle.Speed >")
    for handler in handlers.values():
        with pytest.raises(Invalid, match="not a twin request"):
            await handler(b"\xc1")
