"""Units: the only place where a value changes its unit.

A unit is a dimension, a factor and an offset to that dimension's base unit:
``base = value * factor + offset``. Names are VSS's (``km/h``, ``Celsius``, ``percent``) and, for
what protocols report, the SI sign. ``°C`` and the like are not names: one unit, one word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from motorcade.errors import Invalid

__all__ = ["UNITS", "Linear", "linear", "convert"]


class _Unit(msgspec.Struct, frozen=True, gc=False):
    dimension: str
    factor: float = 1.0
    offset: float = 0.0


class Linear(msgspec.Struct, frozen=True, gc=False):
    """``target = source * factor + offset``; what a protocol folds into its own scale."""

    factor: float = 1.0
    offset: float = 0.0


def _scaled(dimension: str, **_units: float) -> dict[str, _Unit]:
    return {name: _Unit(dimension, factor) for name, factor in _units.items()}


_PI_180: Final = np.pi / 180

UNITS: Final[Mapping[str, _Unit]] = {
    **_scaled("length", m=1, km=1000, cm=0.01, mm=0.001, inch=0.0254, mile=1609.344),
    "m/s": _Unit("speed"),
    "cm/s": _Unit("speed", 0.01),
    "km/h": _Unit("speed", 1 / 3.6),
    "mph": _Unit("speed", 0.44704),
    "knot": _Unit("speed", 1852 / 3600),
    "m/s^2": _Unit("acceleration"),
    "g0": _Unit("acceleration", 9.80665),
    **_scaled("voltage", V=1, mV=0.001, kV=1000),
    **_scaled("current", A=1, mA=0.001),
    **_scaled("resistance", Ohm=1, kOhm=1000, MOhm=1e6),
    **_scaled("charge", Ah=1, mAh=0.001),
    **_scaled("power", W=1, kW=1000, MW=1e6),
    **_scaled("energy", Wh=1, kWh=1000, J=1 / 3600, kJ=1 / 3.6),
    **_scaled("force", N=1, kN=1000),
    **_scaled("torque", Nm=1),
    **_scaled("pressure", Pa=1, hPa=100, kPa=1000, MPa=1e6, bar=1e5, mbar=100, psi=6894.757293168),
    "K": _Unit("temperature"),
    "Celsius": _Unit("temperature", 1.0, 273.15),
    "Fahrenheit": _Unit("temperature", 5 / 9, 459.67 * 5 / 9),
    **_scaled("mass", kg=1, g=0.001, t=1000),
    **_scaled("volume", l=1, ml=0.001),
    "cm^3": _Unit("volume", 0.001),
    "g/s": _Unit("mass flow"),
    **_scaled("time", s=1, ms=0.001, us=1e-6, min=60, h=3600, day=86_400),
    **_scaled("rotation", rpm=1),
    "degrees": _Unit("angle"),
    "rad": _Unit("angle", 1 / _PI_180),
    "degrees/s": _Unit("angular rate"),
    "rad/s": _Unit("angular rate", 1 / _PI_180),
    "percent": _Unit("ratio"),
    "permille": _Unit("ratio", 0.1),
    "ratio": _Unit("ratio", 100),
    "mg/kg": _Unit("mass fraction"),
    "l/100km": _Unit("consumption"),
    "kg/100km": _Unit("mass consumption"),
    "g/km": _Unit("mass consumption", 0.1),
    "kWh/100km": _Unit("energy consumption"),
    "Wh/km": _Unit("energy consumption", 0.1),
    "mm/h": _Unit("precipitation"),
    "bpm": _Unit("pulse"),
    "cpm": _Unit("cadence"),
    "km/l": _Unit("economy"),
    "iso8601": _Unit("date"),
    "": _Unit("none"),
}
"""Every unit the catalogue or a protocol names; the empty word is "no unit"."""


def linear(source_unit: str, target_unit: str) -> Linear:
    """How to get from one unit to the other; ``Invalid`` where they measure different things."""
    source, target = _unit(source_unit), _unit(target_unit)
    if source.dimension != target.dimension:
        raise Invalid(f"{source_unit!r} cannot become {target_unit!r}")
    if source_unit == target_unit:
        return Linear()
    # Fifteen digits hide what binary fractions add to decimal factors (0.1 km is 100 m, no more).
    factor = float(f"{source.factor / target.factor:.15g}")
    offset = float(f"{(source.offset - target.offset) / target.factor:.15g}")
    return Linear(factor, offset)


def convert(values: ArrayLike, source_unit: str, target_unit: str) -> NDArray[Any]:
    """``values`` (any shape) in another unit, as float64; unchanged where the units are the same.

    ``Invalid`` where a unit is unknown or the two measure different things.
    """
    step = linear(source_unit, target_unit)
    if source_unit == target_unit:
        return np.asarray(values)
    return np.asarray(values, dtype=np.float64) * step.factor + step.offset


def _unit(name: str) -> _Unit:
    unit = UNITS.get(name)
    if unit is None:
        raise Invalid(f"there is no unit {name!r}", unit=name)
    return unit
