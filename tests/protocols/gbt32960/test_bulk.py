"""Reports encoded in bulk."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.errors import Invalid
from motorcade.protocols import gbt32960
from motorcade.protocols.gbt32960.bulk import encode_reports, vin_bytes
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import qualities

VIN = "LTEST000000000001"
THEN = 1_761_566_522_000_000
CATALOGUE = load_catalogue()
SPEED = "Vehicle.Speed"
BATTERY = "Vehicle.Powertrain.TractionBattery"


def test_what_is_encoded_in_bulk_is_decoded_again() -> None:
    n = 50
    rng = np.random.default_rng(1)
    for edition in (2016, 2025):
        columns = {
            SPEED: np.round(rng.uniform(0, 200, n), 1),
            "Vehicle.TraveledDistance": rng.integers(0, 9_999_999, n) * 100.0,
            "Vehicle.Powertrain.Transmission.SelectedGear": np.full(n, 127),
            "Vehicle.Powertrain.IsDriveForceApplied": np.full(n, True),
            "Vehicle.OperatingState": np.zeros(n),
            "Vehicle.CurrentLocation.IsValid": np.full(n, True),
            "Vehicle.CurrentLocation.Longitude": np.round(rng.uniform(-180, 180, n), 6),
            "Vehicle.CurrentLocation.Latitude": np.round(rng.uniform(-90, 90, n), 6),
            "Vehicle.Powertrain.DriveMotor.Motor2.Torque": np.round(rng.uniform(-200, 200, n), 1),
            "Vehicle.Alarm.Level": np.ones(n),
            "Vehicle.Alarm.Flags": np.full(n, 5),
            f"{BATTERY}.CellVoltage.CellVoltages": np.round(rng.uniform(2, 4, (n, 7)), 3),
            f"{BATTERY}.CurrentCurrent": np.where(np.arange(n) % 2, np.nan, -3.5),
        }
        made = encode_reports(
            vin_bytes([VIN] * n), np.full(n, THEN), columns, edition=edition, reissued=True
        )
        again = gbt32960.cut([made.buffer.tobytes()])
        assert len(again.frames) == n
        assert not again.rejects
        decoded = gbt32960.decode(made, 1)
        (batch,) = decoded.batches
        assert not decoded.rejects
        assert batch.column("reissued").to_pylist() == [True] * n
        for path, values in columns.items():
            told = batch.column(path).to_pylist()
            if path.endswith("CurrentCurrent"):
                assert told[:2] == [-3.5, None]
                continue
            assert np.allclose(np.array(told, float), values, atol=1e-6, rtol=1e-6), path
        motor = batch.column("Vehicle.Powertrain.DriveMotor.Motor1.Torque")
        assert motor.null_count == n
        assert qualities(batch, CATALOGUE)[1][f"{BATTERY}.CurrentCurrent"] == "invalid"


def test_bulk_encoding_orders_items_as_asked() -> None:
    made = encode_reports(
        vin_bytes([VIN]), np.array([THEN]), {SPEED: np.array([1.0])}, items=[5, 1]
    )
    assert made.bytes_of(0)[30] == 5
    with pytest.raises(Invalid):
        encode_reports(vin_bytes([VIN]), np.array([THEN]), {}, items=[0x30])
