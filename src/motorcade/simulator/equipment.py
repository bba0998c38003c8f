"""What a platform has to know of simulated cars before they may come in."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from motorcade.simulator.fleet import CarFleet
from motorcade.simulator.voices import PROTOCOLS, speakers

__all__ = ["Equipment", "equipment_of"]


class Equipment(NamedTuple):
    """``vins`` to register, ``names`` (VIN, kind, value) to bind, VINs that need a token, and the
    ``keys`` cars were made with, by VIN."""

    vins: list[str]
    names: list[tuple[str, str, str]]
    with_token: list[str]
    keys: dict[str, bytes]


def equipment_of(fleet: CarFleet, protocol: str, maker: int) -> Equipment:
    """Of one automaker's cars. Those that speak GB/T 32960 register themselves."""
    cars = np.flatnonzero(fleet.tenant == maker)
    speak = [PROTOCOLS[place] for place in speakers(protocol, cars)]
    found = Equipment([], [], [], {})
    phones = fleet.phones()
    for car, word in zip(cars.tolist(), speak, strict=True):
        if word == "gbt32960":
            continue
        vin = fleet.vin(car)
        found.vins.append(vin)
        if word == "jt808":
            found.names.append((vin, "phone", str(phones[car])))
        elif word == "mqtt":
            found.with_token.append(vin)
        elif word == "iridium":
            found.names.append((vin, "imei", fleet.imei(car)))
        else:
            found.names.append((vin, "device", fleet.device(car)))
            found.keys[vin] = blake2b(vin.encode(), digest_size=16).digest()
    return found
