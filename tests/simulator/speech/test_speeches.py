"""Cars of every protocol are let in, heard and obeyed by the protocol's own session."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from motorcade.protocols import compact, find
from motorcade.protocols.jt808.encode import encode
from motorcade.simulator.fleet import CarFleet, build_fleet
from motorcade.simulator.layouts import MIXED
from motorcade.simulator.speech import Heard, Sends, Speech
from motorcade.simulator.voices import PROTOCOLS, Voice, protocols_of, speakers, speech_of

pytestmark = pytest.mark.sweep

AT = 1_763_800_000_000_000
KEY = bytes(range(16))
CARS = 30


def _fleet(cars: int = CARS) -> CarFleet:
    return build_fleet(cars, 6, cars, seed=1, layouts=MIXED)


def _speech(protocol: str, many: int = 1, **more: Any) -> Speech:
    fleet = _fleet()
    secrets = {fleet.vin(car): KEY.hex() for car in range(CARS)}
    addresses = dict.fromkeys(PROTOCOLS, ("127.0.0.1", 9))
    voice = Voice(protocol, addresses, secrets=secrets, frames_per_send=many, **more)
    return speech_of(voice, fleet)


def _sends(rounds: int = 2, step_s: int = 100) -> Sends:
    number, connection = np.divmod(np.arange(rounds * CARS), CARS)
    times = AT + number * step_s * 1_000_000
    return Sends(connection, connection.copy(), times, number, number.copy())


def _session(protocol: str) -> Any:
    return compact.Session(KEY) if protocol == "compact" else find(protocol).Session()


def _talk(speech: Speech, session: Any, connection: int) -> bool:
    """The login, to its end; whether the car is in."""
    said = speech.hello(connection)
    if not said:
        return True
    for _ in range(4):
        session.receive_data(said)
        heard = speech.hear(connection, session.data_to_send(), greeted=False)
        assert not heard.rejected
        if heard.greeted:
            return True
        said = heard.reply
    return False


@pytest.mark.parametrize("many", [1, 10])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cars_are_let_in_and_heard(protocol: str, many: int) -> None:
    if (protocol, many) == ("compact", 10):
        pytest.skip("a datagram is one report")
    speech = _speech(protocol, many)
    data = speech.encode(_sends())
    sessions = [_session(protocol) for _ in range(CARS)]
    for connection, session in enumerate(sessions):
        assert _talk(speech, session, connection)
        session.frames_received()
    for place, sent in enumerate(data):
        session = sessions[place % CARS]
        session.receive_data(sent, AT)
        answers = session.data_to_send()
        heard = speech.hear(place % CARS, answers, greeted=True)
        assert heard == Heard(len(answers), many), (protocol, sent.hex())
        assert speech.hear(place % CARS, answers[:-1], greeted=True).answers < many or (
            protocol == "compact"
        )


@pytest.mark.parametrize("many", [1, 10])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_they_say_is_theirs(protocol: str, many: int) -> None:
    if (protocol, many) == ("compact", 10):
        pytest.skip("a datagram is one report")
    module, fleet = find(protocol), _fleet()
    sends = _sends()
    speech = _speech(protocol, many)
    chunks = speech.encode(sends)
    found = module.cut(chunks)
    assert not found.rejects
    frames = found.frames
    if hasattr(module, "hear"):
        sessions = [_session(protocol) for _ in range(CARS)]
        assert all(_talk(speech, session, car) for car, session in enumerate(sessions))
        frames = module.hear(frames, sessions * (len(chunks) // CARS), AT).frames
    decoded = module.decode(frames, AT + 10**12)
    assert not decoded.rejects
    assert sum(map(len, decoded.batches)) == len(chunks) * many
    names = {
        "phone": lambda car: str(fleet.phones()[car]),
        "imei": fleet.imei,
        "device": fleet.device,
        "vin": fleet.vin,
    }[getattr(module, "IDENTITY", "vin")]
    told = [bytes(name).decode().strip("\0") for name in module.vins(frames)]
    assert told == [names(int(sends.car[peer])) for peer in frames.peer.tolist()]
    seen = 0
    for batch, rows in zip(decoded.batches, decoded.rows, strict=True):
        send = frames.peer[rows]
        cars = fleet.cars.take(sends.car[send])
        times = batch.numpy("event_time").astype(np.int64)
        assert (np.abs(times - sends.time_us[send]) < many * 1_000_000).all()
        said = cars.columns(times)
        for path, exact in (("Vehicle.Speed", 0.051), ("Vehicle.CurrentLocation.Latitude", 1e-5)):
            got = batch.column(path).to_numpy(zero_copy_only=False)
            assert np.allclose(got, said[path], atol=exact), path
            seen += len(got)
    assert seen == 2 * many * len(chunks)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_in_any_pieces(protocol: str) -> None:
    """Answers that come byte by byte are understood as soon as they are whole."""
    if protocol == "compact":
        pytest.skip("a datagram comes whole")
    speech, session = _speech(protocol), _session(protocol)
    assert _talk(speech, session, 1)
    for sent in speech.encode(_sends())[1::CARS]:
        session.receive_data(sent, AT)
        tail, count = b"", 0
        for byte in session.data_to_send():
            tail += bytes([byte])
            heard = speech.hear(1, tail, greeted=True)
            tail = tail[heard.used :]
            count += heard.answers
        assert (tail.strip(b"\x7e"), count) == (b"", 1)


def test_old_reports_say_so() -> None:
    for protocol in ("gbt32960", "jt808", "mqtt"):
        module = find(protocol)
        frames = module.cut(_speech(protocol, reissued=True).encode(_sends())).frames
        for batch in module.decode(frames, AT + 10**12).batches:
            assert batch.numpy("reissued").all(), protocol


def test_a_mixed_fleet() -> None:
    of = speakers("mixed", np.arange(2000))
    assert np.bincount(of).tolist() == [1200, 500, 300]
    assert len(set(of[:20].tolist())) == 3
    speech = _speech("mixed")
    data = speech.encode(_sends())
    for connection, place in enumerate(speakers("mixed", np.arange(CARS)).tolist()):
        session = _session(PROTOCOLS[place])
        assert _talk(speech, session, connection)
        session.receive_data(data[connection], AT)
        assert speech.hear(connection, session.data_to_send(), greeted=True).answers == 1
        assert speech.hop(connection) == (PROTOCOLS[place] == "mqtt")
        assert speech.address(connection) == ("127.0.0.1", 9, False)
    assert (speech.commands, speech.repeated) == (0, 0)


def test_words() -> None:
    assert protocols_of("satellite") == ("iridium",)
    assert protocols_of("mixed") == ("gbt32960", "jt808", "mqtt")


def test_refusals_are_seen() -> None:
    speech = _speech("jt808")
    session = _session("jt808")
    assert _talk(speech, session, 0)
    session.receive_data(speech.encode(_sends())[0], AT)
    bad = encode(0x8001, "1", b"\0\0\x02\0\x01")
    assert speech.hear(0, bad, greeted=True)[1:3] == (1, 1)
    registered = speech.hello(0)
    denied = speech.hear(0, encode(0x8001, "1", b"\0\0\x01\x02\x01"), greeted=False)
    assert denied.rejected
    assert speech.hello(0) != registered, "it registers again"
    assert speech.hear(0, encode(0x8100, "1", b"\0\0\x02"), greeted=False).rejected
    mqtt = _speech("mqtt")
    assert mqtt.hear(1, b"\x20\x03\x00\x86\x00", greeted=False).rejected
    assert mqtt.hear(1, b"\x40\x03\x00\x07\x87", greeted=True)[1:3] == (1, 1)
    gbt = _speech("gbt32960")
    session = _session("gbt32960")
    session.receive_data(gbt.hello(0))
    answer = bytearray(session.data_to_send())
    answer[3] = 2
    assert gbt.hear(0, bytes(answer), greeted=False).rejected
