"""Simulated cars are consistent: with themselves, over time, with the catalogue."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.protocols.gbt32960.paths import ALARM, BATTERY, CELL, LOCATION, PROBE
from motorcade.signals.catalogue import load_catalogue
from motorcade.simulator.vehicles import SimulatedCars

_AT = 1_763_800_000_000_000


@pytest.fixture(scope="module")
def cars() -> SimulatedCars:
    return SimulatedCars.create(400, seed=7)


def test_the_same_moment_says_the_same(cars: SimulatedCars) -> None:
    again = SimulatedCars.create(400, seed=7).columns(_AT)
    for path, values in cars.columns(_AT).items():
        assert np.array_equal(values, again[path]), path


def test_every_path_is_in_the_catalogue_and_every_code_a_word(cars: SimulatedCars) -> None:
    catalogue = load_catalogue()
    for path, values in cars.columns(_AT).items():
        signal = catalogue[path]
        if signal.words:
            assert values.max() < len(signal.words), path


def test_a_time_a_car_equals_one_time_for_all(cars: SimulatedCars) -> None:
    apart = cars.columns(np.full(len(cars), _AT))
    for path, values in cars.columns(_AT).items():
        assert np.array_equal(values, apart[path]), path


def test_speed_is_the_slope_of_the_distance(cars: SimulatedCars) -> None:
    driven = cars.distance_m(_AT + 500_000) - cars.distance_m(_AT - 500_000)
    speed = cars.columns(_AT)["Vehicle.Speed"] / 3.6
    turning = np.abs(driven - speed) > 0.3  # those that start or stop just now
    assert turning.sum() <= 2
    assert (driven >= 0).all()


def test_the_position_moves_as_far_as_the_car(cars: SimulatedCars) -> None:
    before, after = cars.columns(_AT), cars.columns(_AT + 1_000_000)
    latitude = np.radians(before[f"{LOCATION}.Latitude"])
    north = (after[f"{LOCATION}.Latitude"] - before[f"{LOCATION}.Latitude"]) * 111_320
    east = after[f"{LOCATION}.Longitude"] - before[f"{LOCATION}.Longitude"]
    moved = np.hypot(north, east * 111_320 * np.cos(latitude))
    driven = cars.distance_m(_AT + 1_000_000) - cars.distance_m(_AT)
    assert (moved <= driven * 1.03 + 0.3).all()
    assert np.median(np.abs(moved - driven)) < 0.5


def test_extremes_are_those_of_the_lists(cars: SimulatedCars) -> None:
    alike = cars.take(np.flatnonzero(cars.cells == 96))
    columns = alike.columns(_AT, cells=True)
    cells, probes = columns[f"{CELL}.CellVoltages"], columns[f"{PROBE}.CellTemperature"]
    assert cells.shape == (len(alike), 96)
    assert np.allclose(cells.max(axis=1), columns[f"{CELL}.Max"])
    assert np.allclose(cells.min(axis=1), columns[f"{CELL}.Min"])
    assert np.array_equal(cells.argmax(axis=1) + 1, columns[f"{CELL}.MaxCell"])
    assert np.array_equal(cells.argmin(axis=1) + 1, columns[f"{CELL}.MinCell"])
    assert np.array_equal(probes.max(axis=1), columns[f"{PROBE}.Max"])
    assert np.array_equal(probes.argmin(axis=1) + 1, columns[f"{PROBE}.MinProbe"])


def test_low_charge_raises_its_alarm() -> None:
    columns = SimulatedCars.create(20_000).columns(_AT)
    low = columns[f"{BATTERY}.StateOfCharge.Current"] < 17
    assert low.any()
    assert np.array_equal(columns[f"{ALARM}.Flags"] == 1 << 4, low)


def test_most_cars_are_at_home() -> None:
    cars = SimulatedCars.create(1_000, home=np.full(1_000, 3))
    near = np.hypot(cars.latitude - 22.5431, cars.longitude - 114.0579) < 0.25
    assert 0.6 < near.mean() < 0.8
