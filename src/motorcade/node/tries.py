"""The six things to try that ``motorcade demo`` prints: commands to paste, with what they need."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from motorcade.simulator.fleet import CarFleet
from motorcade.simulator.speech.gbt32960 import Gbt32960Speech
from motorcade.simulator.traffic import Schedule, Traffic
from motorcade.simulator.vehicles import CITIES
from motorcade.simulator.voices import PROTOCOLS, speakers

__all__ = ["Shown", "tries"]

_CHARGE: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
_PLACE: Final = "Vehicle.CurrentLocation.Latitude,Vehicle.CurrentLocation.Longitude"
_FLASH: Final = '{"kind": "horn_lights", "parameters": {"horn": false, "duration_s": 3}}'
_UNTIL_ENDED: Final = (
    'for i in $(seq 30); do said=$(curl -s -H "$A" "$C?limit=1"); case $said in '
    """*'"state":"queued"'*|*'"state":"sent"'*|*'"state":"delivered"'*) sleep 1;; *) break;; """
    'esac; done; echo "$said"'
)
"""Asks for the newest command until it has ended, half a minute at most."""

_BOX_DEGREES: Final = 0.25


class Shown(NamedTuple):
    """What the commands speak of: where the API is, a key, a car, a car to command, a city, a frame
    (hex)."""

    web: str
    key: str
    vin: str
    obedient: str
    city: str
    latitude: float
    longitude: float
    frame: str

    @classmethod
    def of(cls, fleet: CarFleet, web: str, key: str, now_us: int, protocol: str) -> Shown:
        """The first automaker's fastest cars just now, one that speaks GB/T 32960 and one, where
        there is one, that speaks MQTT; and the city most of its cars are in."""
        own = np.flatnonzero(fleet.tenant == 0)
        speed = fleet.cars.take(own).columns(now_us)["Vehicle.Speed"]
        speak = speakers(protocol, own)
        fastest = [
            int(own[np.argmax(np.where(speak == place, speed, -1.0))])
            for place in map(PROTOCOLS.index, ("gbt32960", "mqtt"))
        ]
        car, obedient = fastest if protocol == "mixed" else fastest[:1] * 2
        places = np.array([(latitude, longitude) for _, latitude, longitude in CITIES])
        cars = np.stack([fleet.cars.latitude[own], fleet.cars.longitude[own]], axis=1)
        nearest = np.abs(cars[:, None] - places).sum(axis=2).argmin(axis=1)
        city, latitude, longitude = CITIES[int(np.bincount(nearest).argmax())]
        vins = fleet.vin(car), fleet.vin(obedient)
        return cls(web, key, *vins, city, latitude, longitude, _frame(fleet, car, now_us))


def tries(shown: Shown) -> list[str]:
    """The lines to print: a title, and below it a command."""
    curl = f"curl -s -H 'Authorization: Bearer {shown.key}'"
    box = ",".join(
        f"{value:.2f}"
        for value in (
            shown.longitude - _BOX_DEGREES,
            shown.latitude - _BOX_DEGREES,
            shown.longitude + _BOX_DEGREES,
            shown.latitude + _BOX_DEGREES,
        )
    )
    car = f"{shown.web}/v1/vehicles/{shown.vin}"
    commands = f"{shown.web}/v1/vehicles/{shown.obedient}/commands"
    fast = "--data-urlencode 'where=Vehicle.Speed > 20'"
    pairs = [
        (
            "one car, as it is now",
            f"{curl} '{car}/state?signals=Vehicle.Speed,{_CHARGE},{_PLACE}'",
        ),
        (
            "its last hour, a line a minute",
            f"{curl} -H 'Accept: text/csv' "
            f"'{car}/history?from=-1h&every=1m&signals=Vehicle.Speed,{_CHARGE}'",
        ),
        (
            f"every car around {shown.city} that drives faster than 20 km/h",
            f"{curl} -G {fast} -d bbox={box} '{shown.web}/v1/state'",
        ),
        (
            "what comes in, as it comes in (Ctrl-C ends it)",
            f"{curl} -N -G {fast} -d signals=Vehicle.Speed '{shown.web}/v1/stream'",
        ),
        ("what a frame says", f"{_command()} decode gbt32960 {shown.frame}"),
        (
            "flash a car's lights, and see it acknowledged",
            f"A='Authorization: Bearer {shown.key}'; C='{commands}'; "
            "curl -s -w '\\n' -H \"$A\" -H 'Content-Type: application/json' "
            f"-d '{_FLASH}' \"$C\"; {_UNTIL_ENDED}",
        ),
    ]
    return [
        line
        for number, (title, command) in enumerate(pairs, 1)
        for line in (f"{number}. {title}", f"   {command}")
    ]


def _frame(fleet: CarFleet, car: int, now_us: int) -> str:
    """A report of the car as it stands now, hex."""
    rows = int(np.searchsorted(fleet.starts, car, side="right")) - 1
    part = fleet.part(rows, rows + 1)
    traffic = Traffic(part, Schedule(now_us, 1e6), Gbt32960Speech(part, ("", 0)))
    try:
        return traffic.encode(0)[0][0].hex()
    finally:
        traffic.close()


def _command() -> str:
    """How this program is called from the shell it was started in."""
    if shutil.which("motorcade"):
        return "motorcade"
    beside = Path(sys.executable).with_name("motorcade")
    if not beside.exists():
        return f"{sys.executable} -m motorcade"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
