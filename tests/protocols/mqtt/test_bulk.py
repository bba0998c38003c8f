"""Many vehicles' publishes encoded at once read back to what was given."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.protocols import mqtt
from motorcade.protocols.mqtt.packets import Publish, read_packet
from motorcade.protocols.mqtt.session import CONNECTED
from motorcade.protocols.mqtt.words import V3, V5

NOW = 1_772_366_400_000_000
VINS = [f"LMCTEST{number:010d}" for number in range(4)]
SPEED = "Vehicle.Speed"
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
MOVING = "Vehicle.IsMoving"


@pytest.mark.parametrize("version", [V3, V5])
def test_reports_of_many_read_back(version: int) -> None:
    columns = {
        SPEED: np.array([1, 2.5, np.nan, 4], np.float32),
        SOC: np.array([0.1, 50, 60, 70], np.float32),
        MOVING: np.array([True, False, True, True]),
    }
    times = NOW + np.arange(4) * 1_000_000
    frames = mqtt.encode_reports(VINS, times, columns, version=version, packet_ids=[1, 2, 3, 4])
    sessions = []
    for vin in VINS:
        session = mqtt.Session()
        session.identity, session.version, session.state = vin, version, CONNECTED
        sessions.append(session)
    heard = mqtt.hear(frames, sessions, NOW).frames
    assert mqtt.vins(heard) == [vin.encode() for vin in VINS]
    (batch,) = mqtt.decode(heard, NOW).batches
    assert batch.column(SPEED).to_pylist() == [1, 2.5, None, 4]
    assert batch.column(SOC).to_pylist()[1:] == [50, 60, 70]
    assert batch.column(SOC).to_pylist()[0] == pytest.approx(0.1)
    assert batch.column(MOVING).to_pylist() == [True, False, True, True]
    assert batch.numpy("event_time").tolist() == times.tolist()
    assert mqtt.answer(heard, np.ones(4, np.uint8)).length.tolist() == [4] * 4


def test_reissued_and_qos_0() -> None:
    frames = mqtt.encode_reports(
        VINS[:1], np.array([NOW]), {SPEED: np.array([1.0])}, qos=0, reissued=True, channel="x"
    )
    packet = read_packet(frames.bytes_of(0), V5)
    assert isinstance(packet, Publish)
    assert packet.topic == f"v/{VINS[0]}/up/x"
    assert b'"reissued":true' in packet.payload
