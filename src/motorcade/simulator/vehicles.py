"""Synthetic electric cars: a deterministic state of every car at any time, as columns.

Out: VSS path → numpy array, one element per car, in catalogue units. A car drives a closed loop
around a city with a speed that rises and falls, drains its battery, and charges when it is low.
The state is a pure function of time, so that tests and replays can know what a car must have said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CITIES", "SimulatedCars"]

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

_METRES_PER_DEGREE: Final = 111_320.0
_RANGE_M: Final = 400_000.0
_CHARGE_S: Final = 2_400.0
_EPOCH_S: Final = 1_735_689_600.0  # 2025-01-01 UTC: odometers start here


@dataclass(frozen=True, slots=True)
class SimulatedCars:
    """The parameters of ``n`` cars, one array element each; ``create`` draws them from a seed."""

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    radius_m: NDArray[np.float64]
    phase: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    swing: NDArray[np.float64]
    period_s: NDArray[np.float64]
    cells: NDArray[np.int64]

    @classmethod
    def create(cls, count: int, seed: int = 1) -> SimulatedCars:
        """``count`` cars spread over the cities; the same seed gives the same cars."""
        rng = np.random.default_rng(seed)
        city = rng.integers(0, len(CITIES), count)
        places = np.array([(latitude, longitude) for _, latitude, longitude in CITIES])[city]
        return cls(
            latitude=places[:, 0] + rng.normal(0, 0.05, count),
            longitude=places[:, 1] + rng.normal(0, 0.05, count),
            radius_m=rng.uniform(800, 6000, count),
            phase=rng.uniform(0, 2 * np.pi, count),
            speed_mps=rng.uniform(7, 22, count),
            swing=rng.uniform(0.2, 0.9, count),
            period_s=rng.uniform(60, 300, count),
            cells=rng.choice([96, 104, 108, 120], count),
        )

    def __len__(self) -> int:
        return len(self.latitude)

    def distance_m(self, at_us: int) -> NDArray[np.float64]:
        """Metres driven since the odometer was zero, never falling."""
        seconds = at_us / 1e6 - _EPOCH_S
        turn = 2 * np.pi * seconds / self.period_s + self.phase
        wave = self.swing * self.period_s / (2 * np.pi) * np.sin(turn)
        return np.asarray(self.speed_mps * (self._driving_s(seconds) + wave) % 9.9e8)

    def columns(self, at_us: int) -> dict[str, NDArray[Any]]:
        """The signals of every car at a time (microseconds UTC), by VSS path."""
        seconds = at_us / 1e6 - _EPOCH_S
        turn = 2 * np.pi * seconds / self.period_s + self.phase
        charging = self._charging(seconds)
        rate = 1 + self.swing * np.cos(turn)
        speed = np.where(charging, 0.0, np.round(3.6 * self.speed_mps * rate, 1))
        angle = self.phase + self.distance_m(at_us) / self.radius_m
        slope = -self.swing * np.sin(turn)
        charge = self._state_of_charge(seconds)
        torque = np.where(charging, 0.0, np.round(40 * rate + 60 * slope, 1))
        voltage = np.round(320 + 0.9 * charge, 1)
        power_kw = torque * speed / 90
        current = np.where(charging, -120.0, np.round(power_kw * 1000 / voltage, 1))
        return {
            **self._motion(speed, angle, slope, charging, at_us),
            **self._battery(charge, voltage, current, charging),
            **self._motor(speed, torque, voltage, current, slope),
        }

    def _driving_s(self, seconds: float) -> NDArray[np.float64]:
        cycle = _RANGE_M / self.speed_mps + _CHARGE_S
        whole, rest = np.divmod(seconds + self.phase * 1000, cycle)
        return np.asarray(whole * (cycle - _CHARGE_S) + np.minimum(rest, cycle - _CHARGE_S))

    def _charging(self, seconds: float) -> NDArray[np.bool_]:
        cycle = _RANGE_M / self.speed_mps + _CHARGE_S
        return np.asarray((seconds + self.phase * 1000) % cycle > cycle - _CHARGE_S)

    def _state_of_charge(self, seconds: float) -> NDArray[np.float64]:
        drive = _RANGE_M / self.speed_mps
        rest = (seconds + self.phase * 1000) % (drive + _CHARGE_S)
        falling = 95 - 80 * rest / drive
        rising = 15 + 80 * (rest - drive) / _CHARGE_S
        return np.floor(np.where(rest < drive, falling, rising))

    def _motion(
        self,
        speed: NDArray[np.float64],
        angle: NDArray[np.float64],
        slope: NDArray[np.float64],
        charging: NDArray[np.bool_],
        at_us: int,
    ) -> dict[str, NDArray[Any]]:
        latitude = self.latitude + self.radius_m * np.sin(angle) / _METRES_PER_DEGREE
        shrink = _METRES_PER_DEGREE * np.cos(np.radians(self.latitude))
        longitude = self.longitude + self.radius_m * np.cos(angle) / shrink
        return {
            "Vehicle.Speed": speed,
            "Vehicle.TraveledDistance": np.floor(self.distance_m(at_us) / 100) * 100,
            "Vehicle.CurrentLocation.Latitude": np.round(latitude, 6),
            "Vehicle.CurrentLocation.Longitude": np.round(longitude, 6),
            "Vehicle.Chassis.Accelerator.PedalPosition": np.where(
                charging, 0, np.clip(np.round(30 + 40 * slope), 0, 100)
            ),
            "Vehicle.Chassis.Brake.PedalPosition": np.where(
                charging, 0, np.clip(np.round(-60 * slope - 20), 0, 100)
            ),
        }

    def _battery(
        self,
        charge: NDArray[np.float64],
        voltage: NDArray[np.float64],
        current: NDArray[np.float64],
        charging: NDArray[np.bool_],
    ) -> dict[str, NDArray[Any]]:
        pack = "Vehicle.Powertrain.TractionBattery."
        cell = voltage / self.cells
        warm = np.round(24 + np.abs(current) / 20)
        return {
            pack + "StateOfCharge.Current": charge,
            pack + "CurrentVoltage": voltage,
            pack + "CurrentCurrent": current,
            pack + "CellVoltage.Max": np.round(cell + 0.012, 3),
            pack + "CellVoltage.Min": np.round(cell - 0.015, 3),
            pack + "CellVoltage.IdMax": 1 + self.cells % 7,
            pack + "CellVoltage.IdMin": 1 + self.cells % 11,
            pack + "Temperature.Max": warm + 2,
            pack + "Temperature.Min": warm - 1,
            pack + "Charging.IsCharging": charging,
        }

    def _motor(
        self,
        speed: NDArray[np.float64],
        torque: NDArray[np.float64],
        voltage: NDArray[np.float64],
        current: NDArray[np.float64],
        slope: NDArray[np.float64],
    ) -> dict[str, NDArray[Any]]:
        motor = "Vehicle.Powertrain.DriveMotor.Motor1."
        return {
            motor + "Speed": np.round(speed * 78),
            motor + "Torque": torque,
            motor + "Temperature": np.round(45 + 10 * np.abs(slope)),
            motor + "ControllerTemperature": np.round(40 + 8 * np.abs(slope)),
            motor + "ControllerVoltage": voltage,
            motor + "ControllerCurrent": current,
        }
