"""Which simulated car belongs to which automaker, and over which connection it speaks.

Cars of an automaker stand in a row, and so do the cars of a connection; the same numbers of cars,
tenants and connections always give the same VINs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.fleet.vin import build
from motorcade.protocols.gbt32960.bulk import vin_bytes
from motorcade.simulator.automakers import Automaker, automakers
from motorcade.simulator.layouts import Layout
from motorcade.simulator.vehicles import SimulatedCars

__all__ = ["CarFleet", "build_fleet"]

_SERIAL: Final = 6
"""Digits at the end of a VIN by which a maker's cars differ."""


@dataclass(frozen=True, slots=True)
class CarFleet:
    """``n`` cars on ``c`` connections. ``vins`` uint8 (n, 17); ``tenant`` (n): place in ``makers``;
    ``layout`` (n): place in ``layouts``; ``starts`` (c + 1): the first car of each connection."""

    makers: tuple[Automaker, ...]
    cars: SimulatedCars
    vins: NDArray[np.uint8]
    tenant: NDArray[np.int64]
    layout: NDArray[np.int64]
    layouts: tuple[Layout, ...]
    starts: NDArray[np.int64]

    def vin(self, car: int) -> str:
        """The VIN of a car."""
        return str(self.vins[car].tobytes(), "ascii")

    def phones(self) -> NDArray[np.int64]:
        """The number of every car's JT/T 808 terminal: 12 digits, as no telephone has them."""
        digits = self.vins[:, -_SERIAL:].astype(np.int64) - ord("0")
        serial = digits @ 10 ** np.arange(_SERIAL - 1, -1, -1)
        return np.asarray(100_000_000_000 + self.tenant * 10**_SERIAL + serial)

    def imei(self, car: int) -> str:
        """The identity of a car's satellite modem: 15 digits, by nobody made."""
        return f"000{int(self.tenant[car]):06d}{self._serial(car)}"

    def device(self, car: int) -> str:
        """The name of a car in compact datagrams: 16 hexadecimal digits."""
        return f"0ca2{int(self.tenant[car]):06d}{self._serial(car)}"

    def _serial(self, car: int) -> str:
        return self.vin(car)[-_SERIAL:]

    def part(self, first: int, last: int) -> CarFleet:
        """The connections ``first`` to ``last`` and their cars."""
        rows = np.arange(self.starts[first], self.starts[last])
        return CarFleet(
            makers=self.makers,
            cars=self.cars.take(rows),
            vins=self.vins[rows],
            tenant=self.tenant[rows],
            layout=self.layout[rows],
            layouts=self.layouts,
            starts=self.starts[first : last + 1] - self.starts[first],
        )


def build_fleet(
    vehicles: int, tenants: int, connections: int, *, seed: int, layouts: tuple[Layout, ...]
) -> CarFleet:
    """``vehicles`` cars shared out evenly; an automaker's cars speak one layout, most in one city.

    ``seed`` decides where the cars are and how they drive, not their VINs. Needs at least a car
    and a connection a tenant.
    """
    makers = tuple(automakers(tenants))
    edges = np.arange(tenants + 1) * vehicles // tenants
    vins: list[str] = []
    for place, maker in enumerate(makers):
        count = int(edges[place + 1] - edges[place])
        vins += build(np.random.default_rng(place), maker.wmi, count)
    tenant = np.repeat(np.arange(tenants), np.diff(edges))
    links = np.arange(tenants + 1) * connections // tenants
    starts = [
        edges[place] + np.arange(links[place + 1] - links[place]) * cars // many
        for place, (cars, many) in enumerate(
            zip(np.diff(edges).tolist(), np.diff(links).tolist(), strict=True)
        )
    ]
    return CarFleet(
        makers=makers,
        cars=SimulatedCars.create(vehicles, seed, home=tenant),
        vins=vin_bytes(vins),
        tenant=tenant,
        layout=tenant % len(layouts),
        layouts=layouts,
        starts=np.concatenate([*starts, [vehicles]]),
    )
