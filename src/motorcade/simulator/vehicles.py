"""Synthetic electric cars: a deterministic state of every car at any time, as columns.

Out: VSS path → numpy array, one element per car, in catalogue units, enumerations as the
catalogue's codes. A car drives blocks of a city with a speed that rises and falls, drains its
battery, charges when it is low, then rests. The state is a pure function of time, so that tests
and replays can know what a car must have said: speed is the slope of the distance, the position
lies that distance along the car's street block, the extremes are those of the cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.gbt32960.paths import (
    ALARM,
    BATTERY,
    CELL,
    LOCATION,
    MOTOR,
    PACK,
    PROBE,
)

__all__ = ["CELLS_MAX", "CITIES", "PROBES", "SimulatedCars"]

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

CITIES: Final = (
    ("Beijing", 39.9042, 116.4074),
    ("Shanghai", 31.2304, 121.4737),
    ("Guangzhou", 23.1291, 113.2644),
    ("Shenzhen", 22.5431, 114.0579),
    ("Chengdu", 30.5728, 104.0668),
    ("Chongqing", 29.5630, 106.5516),
    ("Wuhan", 30.5928, 114.3055),
    ("Xi'an", 34.3416, 108.9398),
    ("Hangzhou", 30.2741, 120.1551),
    ("Nanjing", 32.0603, 118.7969),
    ("Tianjin", 39.3434, 117.3616),
    ("Suzhou", 31.2990, 120.5853),
    ("Changsha", 28.2282, 112.9388),
    ("Hefei", 31.8206, 117.2272),
    ("Shenyang", 41.8057, 123.4315),
)
"""Name, latitude and longitude (degrees, WGS 84) of the cities the cars live in."""

CELLS_MAX: Final = 120
PROBES: Final = 16
"""Temperature probes of a battery."""

_AT_HOME: Final = 0.67
_METRES_PER_DEGREE: Final = 111_320.0
_RANGE_M: Final = 250_000.0
_CHARGE_S: Final = 2_400.0
_EPOCH_S: Final = 1_735_689_600.0  # 2025-01-01 UTC: odometers start here
_ODOMETER_M: Final = 990_000_000.0  # GB/T 32960 counts up to 999,999.9 km

# The catalogue's codes: the places of the words in VSS and in our overlay.
_ON, _OFF = 0, 1
_CHARGING_PARKED, _NOT_CHARGING, _CHARGED = 0, 2, 3
_CONSUMING, _GENERATING, _MOTOR_OFF = 0, 1, 2
_WORKING, _DISCONNECTED = 0, 1
_DRIVE, _PARK = 127, 126

_CELL_MV: Final = np.concatenate(([12, -15], (np.arange(CELLS_MAX - 2) * 7) % 21 - 11))
"""How far each cell is from the mean, in mV; the first is the highest, the second the lowest."""

_PROBE_C: Final = np.concatenate(([2, -1], np.arange(PROBES - 2) % 3))


class _Moment(NamedTuple):
    """What the columns of one call are computed from, one element a row."""

    driving: NDArray[np.bool_]
    charging: NDArray[np.bool_]
    speed_kmh: Floats
    slope: Floats
    distance_m: Floats
    charge: Floats


@dataclass(frozen=True, slots=True)
class SimulatedCars:
    """The parameters of ``n`` cars, one array element each; ``create`` draws them from a seed."""

    latitude: Floats
    longitude: Floats
    width_m: Floats
    height_m: Floats
    heading: Floats
    phase: Floats
    speed_mps: Floats
    swing: Floats
    period_s: Floats
    rest_s: Floats
    cells: NDArray[np.int64]
    shift: NDArray[np.int64]

    @classmethod
    def create(
        cls, count: int, seed: int = 1, home: NDArray[np.int64] | None = None
    ) -> SimulatedCars:
        """``count`` cars spread over the cities; the same seed gives the same cars. Where
        ``home`` (n) names a city, by its place in ``CITIES``, two cars of three are there."""
        rng = np.random.default_rng(seed)
        city = rng.integers(0, len(CITIES), count)
        if home is not None:
            city = np.where(rng.uniform(0, 1, count) < _AT_HOME, home % len(CITIES), city)
        places = np.array([(latitude, longitude) for _, latitude, longitude in CITIES])[city]
        return cls(
            latitude=places[:, 0] + rng.normal(0, 0.04, count),
            longitude=places[:, 1] + rng.normal(0, 0.04, count),
            width_m=rng.uniform(800, 7000, count),
            height_m=rng.uniform(500, 4000, count),
            heading=rng.normal(0, 0.06, count),
            phase=rng.uniform(0, 1, count),
            speed_mps=rng.uniform(7, 22, count),
            swing=rng.uniform(0.2, 0.9, count),
            period_s=rng.uniform(60, 300, count),
            rest_s=rng.uniform(0, 3600, count),
            cells=rng.choice([96, 104, 108, CELLS_MAX], count),
            shift=rng.integers(0, 96, count),
        )

    def __len__(self) -> int:
        return len(self.latitude)

    def take(self, rows: NDArray[Any]) -> SimulatedCars:
        """The cars at ``rows`` (indices, also repeated, or a mask)."""
        parts = {name: getattr(self, name)[rows] for name in self.__slots__}
        return SimulatedCars(**parts)

    def distance_m(self, at_us: int | NDArray[np.int64]) -> Floats:
        """Metres driven since the odometer was zero, never falling."""
        driven_s = self._driven_s(at_us)
        turn = 2 * np.pi * driven_s / self.period_s
        wave = self.swing * self.period_s / (2 * np.pi) * np.sin(turn)
        return np.asarray(self.speed_mps * (driven_s + wave))

    def columns(self, at_us: int | NDArray[np.int64], *, cells: bool = False) -> Columns:
        """The signals of every car at a time (µs UTC; one for all, or one a car), by VSS path.

        With ``cells``, also each cell's voltage (V) and each probe's temperature, (n, m): every
        car must have the same number of cells then.
        """
        now = self._moment(at_us)
        torque = np.where(now.driving, np.round(40 + 70 * now.slope + now.speed_kmh / 3, 1), 0.0)
        voltage = np.round(3.3 * self.cells + 0.008 * self.cells * now.charge, 1)
        power_w = torque * now.speed_kmh * 11.0
        idle = np.where(now.charging, -120.0, 0.4)
        current = np.where(now.driving, np.round(power_w / voltage, 1), idle)
        columns = {
            **self._motion(now),
            **self._battery(now, voltage, current),
            **_motor(now, torque, voltage, np.where(now.driving, current, 0.0)),
            **_alarms(now),
        }
        return columns | self._lists(voltage, current, columns) if cells else columns

    def _cycle(self, at_us: int | NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Cycles of driving, charging and resting gone by, seconds into this one, and how many of
        those are driving."""
        drive = _RANGE_M / self.speed_mps
        whole_cycle = drive + _CHARGE_S + self.rest_s
        seconds = np.asarray(at_us) / 1e6 - _EPOCH_S + self.phase * whole_cycle
        whole, rest = np.divmod(seconds, whole_cycle)
        return whole, rest, drive

    def _driven_s(self, at_us: int | NDArray[np.int64]) -> Floats:
        whole, rest, drive = self._cycle(at_us)
        return np.asarray(whole * drive + np.minimum(rest, drive))

    def _moment(self, at_us: int | NDArray[np.int64]) -> _Moment:
        whole, rest, drive = self._cycle(at_us)
        driving = rest < drive
        charging = ~driving & (rest < drive + _CHARGE_S)
        driven_s = whole * drive + np.minimum(rest, drive)
        turn = 2 * np.pi * driven_s / self.period_s
        speed = np.round(3.6 * self.speed_mps * (1 + self.swing * np.cos(turn)), 1)
        wave = np.sin(turn)
        distance = self.speed_mps * (driven_s + self.swing * self.period_s / (2 * np.pi) * wave)
        falling = 95 - 80 * rest / drive
        rising = np.minimum(15 + 80 * (rest - drive) / _CHARGE_S, 95)
        return _Moment(
            driving=driving,
            charging=charging,
            speed_kmh=np.where(driving, speed, 0.0),
            slope=np.where(driving, -self.swing * wave, 0.0),
            distance_m=distance,
            charge=np.floor(np.where(driving, falling, rising)),
        )

    def _position(self, distance_m: Floats) -> tuple[Floats, Floats]:
        """Latitude and longitude of the point so far along the car's block, a turned rectangle."""
        wide, high = self.width_m, self.height_m
        along = distance_m % (2 * (wide + high))
        east = np.clip(along, 0, wide) - np.clip(along - wide - high, 0, wide) - wide / 2
        north = np.clip(along - wide, 0, high) - np.clip(along - 2 * wide - high, 0, high)
        north = north - high / 2
        latitude = self.latitude + (north + self.heading * east) / _METRES_PER_DEGREE
        shrink = _METRES_PER_DEGREE * np.cos(np.radians(self.latitude))
        return latitude, self.longitude + (east - self.heading * north) / shrink

    def _heading(self, distance_m: Floats) -> Floats:
        """Degrees from north, clockwise, along the side of the block: east, north, west, south."""
        wide, high = self.width_m, self.height_m
        along = distance_m % (2 * (wide + high))
        side = (along > wide) * 1 + (along > wide + high) + (along > 2 * wide + high)
        return np.asarray(np.round(90 - 90 * side - np.degrees(self.heading)) % 360)

    def _motion(self, now: _Moment) -> Columns:
        latitude, longitude = self._position(now.distance_m)
        count = len(latitude)
        awake = now.driving | now.charging
        return {
            "Vehicle.OperatingState": np.where(now.driving, _ON, _OFF),
            "Vehicle.Powertrain.RunningMode": np.zeros(count, np.int64),
            "Vehicle.Speed": now.speed_kmh,
            "Vehicle.TraveledDistance": np.floor(now.distance_m % _ODOMETER_M / 100) * 100,
            "Vehicle.Powertrain.IsDriveForceApplied": now.slope > 0,
            "Vehicle.Chassis.Brake.IsBrakeForceApplied": now.slope < -0.3,
            "Vehicle.Powertrain.Transmission.SelectedGear": np.where(now.driving, _DRIVE, _PARK),
            "Vehicle.Chassis.Accelerator.PedalPosition": np.where(
                now.driving, np.clip(np.round(30 + 40 * now.slope), 0, 100), 0
            ),
            "Vehicle.Chassis.Brake.PedalPosition": np.clip(np.round(-60 * now.slope - 18), 0, 100),
            f"{BATTERY}.DCDC.State": np.where(awake, _WORKING, _DISCONNECTED),
            f"{LOCATION}.IsValid": np.ones(count, np.bool_),
            f"{LOCATION}.CoordinateSystem": np.zeros(count, np.int64),
            f"{LOCATION}.Latitude": np.round(latitude, 6),
            f"{LOCATION}.Longitude": np.round(longitude, 6),
            f"{LOCATION}.Heading": self._heading(now.distance_m),
        }

    def _battery(self, now: _Moment, voltage: Floats, current: Floats) -> Columns:
        count = len(voltage)
        mean_mv = np.floor(1000 * voltage / self.cells)
        warm = np.round(24 + np.abs(current) / 20)
        one = np.ones(count, np.int64)
        idle = np.where(now.charging, _CHARGING_PARKED, _CHARGED)
        return {
            f"{BATTERY}.Charging.State": np.where(now.driving, _NOT_CHARGING, idle),
            f"{BATTERY}.StateOfCharge.Current": now.charge,
            f"{BATTERY}.CurrentVoltage": voltage,
            f"{BATTERY}.CurrentCurrent": current,
            f"{BATTERY}.InsulationResistance": 900 + self.shift * 20,
            f"{CELL}.Max": (mean_mv + _CELL_MV[0]) / 1000,
            f"{CELL}.Min": (mean_mv + _CELL_MV[1]) / 1000,
            f"{CELL}.MaxPack": one,
            f"{CELL}.MinPack": one,
            f"{CELL}.MaxCell": -self.shift % self.cells + 1,
            f"{CELL}.MinCell": (1 - self.shift) % self.cells + 1,
            f"{PROBE}.Max": warm + _PROBE_C[0],
            f"{PROBE}.Min": warm + _PROBE_C[1],
            f"{PROBE}.MaxPack": one,
            f"{PROBE}.MinPack": one,
            f"{PROBE}.MaxProbe": -self.shift % PROBES + 1,
            f"{PROBE}.MinProbe": (1 - self.shift) % PROBES + 1,
        }

    def _lists(self, voltage: Floats, current: Floats, columns: Columns) -> Columns:
        """Cells and probes (n, m) of the one pack (n); their extremes are those of ``columns``."""
        count, cells = len(self), int(self.cells[0]) if len(self) else 0
        cell = (np.arange(cells) + self.shift[:, None]) % cells
        probe = (np.arange(PROBES) + self.shift[:, None]) % PROBES
        mean_mv = np.round(1000 * columns[f"{CELL}.Max"]) - _CELL_MV[0]
        warm = columns[f"{PROBE}.Max"] - _PROBE_C[0]
        one = np.ones(count)
        return {
            f"{PACK}.Number": one,
            f"{PACK}.Voltage": voltage,
            f"{PACK}.Current": current,
            f"{PACK}.TotalCells": one * cells,
            f"{PACK}.FirstCell": one,
            f"{CELL}.CellVoltages": (mean_mv[:, None] + _CELL_MV[cell]) / 1000,
            f"{PACK}.ProbePack": one,
            f"{PROBE}.CellTemperature": warm[:, None] + _PROBE_C[probe],
        }


def _motor(now: _Moment, torque: Floats, voltage: Floats, current: Floats) -> Columns:
    motor = f"{MOTOR}1"
    working = np.where(torque < 0, _GENERATING, _CONSUMING)
    return {
        f"{motor}.State": np.where(now.driving, working, _MOTOR_OFF),
        f"{motor}.Speed": np.round(now.speed_kmh * 78),
        f"{motor}.Torque": torque,
        f"{motor}.Temperature": np.round(45 + 10 * np.abs(now.slope)),
        f"{motor}.ControllerTemperature": np.round(40 + 8 * np.abs(now.slope)),
        f"{motor}.ControllerVoltage": voltage,
        f"{motor}.ControllerCurrent": current,
    }


def _alarms(now: _Moment) -> Columns:
    """A battery below 17 percent raises the alarm of low charge (bit 4), level 1."""
    low = now.charge < 17
    return {f"{ALARM}.Level": low.astype(np.int64), f"{ALARM}.Flags": low.astype(np.int64) << 4}
