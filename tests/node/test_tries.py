"""What the demo prints speaks of a car that drives, in the city where the others are."""

from __future__ import annotations

import shlex

import numpy as np

from motorcade.node.tries import Shown, tries
from motorcade.protocols.gbt32960 import cut, decode
from motorcade.simulator.fleet import build_fleet
from motorcade.simulator.layouts import MIXED
from motorcade.simulator.vehicles import CITIES
from motorcade.simulator.voices import PROTOCOLS, speakers

_AT = 1_763_800_000_000_000


def _shown() -> Shown:
    fleet = build_fleet(200, 5, 200, seed=1, layouts=MIXED)
    return Shown.of(fleet, "http://127.0.0.1:8000", "mc_key", _AT, "mixed")


def test_the_car_drives_and_its_frame_can_be_read() -> None:
    shown = _shown()
    found = cut([bytes.fromhex(shown.frame)])
    batch = decode(found.frames, _AT).batches[0]
    assert found.frames.bytes_of(0)[4:21].decode() == shown.vin
    assert batch.column("Vehicle.Speed")[0].as_py() > 20


def test_the_city_is_the_automakers_home() -> None:
    assert _shown().city == CITIES[0][0]


def test_the_car_to_command_speaks_mqtt() -> None:
    fleet = build_fleet(200, 5, 200, seed=1, layouts=MIXED)
    cars = [car for car in range(200) if fleet.vin(car) == _shown().obedient]
    assert PROTOCOLS[int(speakers("mixed", np.array(cars))[0])] == "mqtt"
    alone = Shown.of(fleet, "", "", _AT, "gbt32960")
    assert alone.vin == alone.obedient


def test_six_commands_a_shell_can_read() -> None:
    lines = tries(_shown())
    assert [line[:3] for line in lines[::2]] == ["1. ", "2. ", "3. ", "4. ", "5. ", "6. "]
    words = [shlex.split(line) for line in lines[1::2]]
    assert all(command[0] == "curl" for command in words[:4])
    assert '"state":"queued"' in lines[11]
    assert words[4][-3:-1] == ["decode", "gbt32960"]
    assert all("Authorization: Bearer mc_key" in command for command in words[:4])
