"""Cars by MQTT, every second one in version 5: JSON readings with QoS 1, commands and answers.

A car is its connection's only one. Its client identifier ends with what carries it
(``<vin>/lte``), which ``hop`` changes. Nothing is pinged: a car that reports rarely is closed by
the platform after its keep-alive, and comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from motorcade.protocols.mqtt.bulk import report_packets
from motorcade.protocols.mqtt.encode import (
    encode_connect,
    encode_puback,
    encode_publish,
    encode_subscribe,
)
from motorcade.protocols.mqtt.packets import Ack, Publish, read_packet
from motorcade.protocols.mqtt.topics import ANSWER
from motorcade.protocols.mqtt.words import CONNACK, PUBACK, PUBLISH, SUBACK, V3, V5
from motorcade.simulator.fleet import CarFleet
from motorcade.simulator.speech import Heard, Obeyed, Sends

__all__ = ["MqttSpeech"]

_SAID: Final = (
    "Vehicle.OperatingState",
    "Vehicle.Speed",
    "Vehicle.TraveledDistance",
    "Vehicle.CurrentLocation.Latitude",
    "Vehicle.CurrentLocation.Longitude",
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current",
    "Vehicle.Powertrain.TractionBattery.CurrentVoltage",
    "Vehicle.Powertrain.TractionBattery.CurrentCurrent",
    "Vehicle.Powertrain.TractionBattery.Charging.State",
)
"""Signals of a reading."""

_KEEP_ALIVE_S: Final = 1_200
_EXPIRY_S: Final = 3_600
_BEARERS: Final = ("lte", "nr")
_ANSWER_ID: Final = 0xFFFF
"""Packet identifier of answers to commands; reports take those below."""
_IDS: Final = 0xFFFE
_FAILURE: Final = 0x80
_ACK: Final = bytes([PUBACK << 4])
_ACK_LENGTH: Final = b"\x02"
_ACK_SIZE: Final = 4
_ACKED: Final = _ACK + _ACK_LENGTH
_ANSWERED_ID: Final = _ANSWER_ID.to_bytes(2, "big")
_ONE: Final = Heard(_ACK_SIZE, 1)


class MqttSpeech:
    """``tokens`` by VIN: passwords of the cars; a car without one brings none."""

    def __init__(
        self,
        fleet: CarFleet,
        address: tuple[str, int],
        tokens: Mapping[str, str],
        *,
        frames_per_send: int = 1,
        reissued: bool = False,
    ) -> None:
        self._fleet = fleet
        self._address = address
        self._frames_per_send = frames_per_send
        self._reissued = reissued or frames_per_send > 1
        self._cars = fleet.starts[:-1]
        self._vins = [fleet.vin(int(car)) for car in self._cars]
        self._passwords = [tokens.get(vin) for vin in self._vins]
        self._bearer = [0] * len(self._vins)
        self._obeyed = Obeyed()

    @property
    def commands(self) -> int:
        """Commands obeyed."""
        return self._obeyed.commands

    @property
    def repeated(self) -> int:
        """Commands heard again."""
        return self._obeyed.repeated

    def address(self, connection: int) -> tuple[str, int, bool]:
        """Host, port, and whether it is UDP."""
        return (*self._address, False)

    def hello(self, connection: int) -> bytes:
        """CONNECT; the session is kept, so that commands wait for a car that is away."""
        version = _version(connection)
        return encode_connect(
            self._vins[connection],
            self._passwords[connection],
            version=version,
            clean=False,
            keep_alive_s=_KEEP_ALIVE_S,
            bearer=_BEARERS[self._bearer[connection]],
            properties={"session_expiry_interval": _EXPIRY_S} if version == V5 else {},
        )

    def hear(self, connection: int, data: bytes, *, greeted: bool) -> Heard:
        """PUBACKs are counted; CONNACK is followed by SUBSCRIBE, and its answer ends the login."""
        if greeted:
            if len(data) == _ACK_SIZE and data[:2] == _ACKED and data[2:] != _ANSWERED_ID:
                return _ONE
            count = len(data) // _ACK_SIZE
            if (
                len(data) == count * _ACK_SIZE
                and data[::_ACK_SIZE] == _ACK * count
                and data[1::_ACK_SIZE] == _ACK_LENGTH * count
                and b"\xff\xff" not in data
            ):
                return Heard(len(data), count)
        return self._one_by_one(connection, data, greeted)

    def hop(self, connection: int) -> bool:
        """From LTE to 5G and back."""
        self._bearer[connection] ^= 1
        return True

    def encode(self, sends: Sends) -> list[bytes]:
        """PUBLISH packets, several of one car in a row a second apart."""
        many = self._frames_per_send
        connection, car, times = sends.connection, sends.car, sends.time_us
        number = sends.number
        if many > 1:
            connection, car = np.repeat(connection, many), np.repeat(car, many)
            times = (times[:, None] - np.arange(many - 1, -1, -1) * 1_000_000).ravel()
            number = (number[:, None] * many + np.arange(many)).ravel()
        made: list[bytes] = [b""] * len(car)
        for odd, version in enumerate((V3, V5)):
            rows = np.flatnonzero(connection % 2 == odd)
            if not len(rows):
                continue
            columns = self._fleet.cars.take(car[rows]).columns(times[rows])
            packets = report_packets(
                [self._vins[one] for one in connection[rows].tolist()],
                times[rows],
                {path: columns[path] for path in _SAID},
                packet_ids=(number[rows] % _IDS + 1).tolist(),
                version=version,
                reissued=self._reissued,
            )
            for row, data in zip(rows.tolist(), packets, strict=True):
                made[row] = data
        if many > 1:
            return [b"".join(made[at : at + many]) for at in range(0, len(made), many)]
        return made

    def _one_by_one(self, connection: int, data: bytes, greeted: bool) -> Heard:
        version, at = _version(connection), 0
        answers = refused = 0
        entered = rejected = False
        reply = b""
        while (size := _whole(data, at)) > 0:
            packet = data[at : at + size]
            at += size
            kind = packet[0] >> 4
            if kind == PUBACK:
                ack = read_packet(packet, version)
                if isinstance(ack, Ack) and ack.packet_id != _ANSWER_ID:
                    answers += 1
                    refused += ack.reason >= _FAILURE
            elif kind == PUBLISH:
                reply += self._obey(connection, packet)
            elif kind == CONNACK:
                rejected |= packet[3] != 0
                if not rejected:
                    reply += encode_subscribe(self._vins[connection], version=version)
            elif kind == SUBACK:
                entered = not greeted
        return Heard(at, answers, refused, greeted=entered, rejected=rejected, reply=reply)

    def _obey(self, connection: int, data: bytes) -> bytes:
        """PUBACK, and the answer on the topic of answers; the same again for a repetition."""
        version = _version(connection)
        packet = read_packet(data, version)
        if not isinstance(packet, Publish):
            return b""
        reply = encode_puback(packet.packet_id, version=version) if packet.qos else b""
        said: Any = msgspec.json.decode(packet.payload)
        self._obeyed.once(connection, said["id"])
        answer = msgspec.json.encode({"number": said["number"], "outcome": "succeeded"})
        return reply + encode_publish(
            self._vins[connection],
            answer,
            channel=ANSWER,
            version=version,
            packet_id=_ANSWER_ID,
        )


def _version(connection: int) -> int:
    return V5 if connection % 2 else V3


def _whole(data: bytes, at: int) -> int:
    """Bytes of the packet at ``at``; 0 where it is not all there."""
    size = 0
    for place in range(1, 5):
        if at + place >= len(data):
            return 0
        byte = data[at + place]
        size |= (byte & 127) << (7 * (place - 1))
        if byte < 128:
            whole = 1 + place + size
            return whole if at + whole <= len(data) else 0
    return 0
