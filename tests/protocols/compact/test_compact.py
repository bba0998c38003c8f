"""Signed datagrams: who is believed, what is stored once, what is acknowledged and commanded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from motorcade.errors import Invalid
from motorcade.protocols import compact, iridium
from motorcade.protocols.commands import Command
from motorcade.protocols.compact.answers import answer, flags_for
from motorcade.protocols.compact.decode import SIGNALS, decode
from motorcade.protocols.compact.describe import describe, settings_of
from motorcade.protocols.compact.downlink import COMMANDS, answers, encode_command
from motorcade.protocols.compact.framing import cut, frame_length, is_login, is_record, kinds, vins
from motorcade.protocols.compact.session import Refused, Session
from motorcade.protocols.compact.signing import (
    BODY,
    DATAGRAM_MAX,
    SIGNATURE,
    encode,
    proof_of,
    proofs,
    seal,
    verify,
)
from motorcade.protocols.frames import Frames, Reject
from motorcade.protocols.iridium.elements import MoHeader
from motorcade.wire.compact.command import CompactCommand, read_command
from motorcade.wire.compact.report import PARTS, REPORT_MAX, pack_report
from protocols.compact.datagrams import ANSWERED, DEVICE, FRAMES, KEY, NOON_S, REPORT, sent

BY_HAND = bytes.fromhex(
    "4d 00a1b2c3d4e5f607"
    " c1 0002 69244a40 0007"  # a report with group 1, 2025-11-24T12:06:24Z, number 7
    " 01f4 3c"  # 50.0 km/h, 90 degrees
    " 036e7ed3fbf089d6"
)
"""Signed by ``openssl dgst -sha256 -mac HMAC -macopt hexkey:000102030405060708090a0b0c0d0e0f``."""


def heard(*datagrams: bytes, keys: Any = None) -> Frames:
    frames = cut(list(datagrams)).frames
    verify(frames, [KEY] * len(frames) if keys is None else keys)
    return frames


def acknowledged(frames: Frames, flags: Any = None) -> list[bytes]:
    asked = np.ones(len(frames), np.uint8) if flags is None else np.array(flags, np.uint8)
    made = answer(frames, asked, np.zeros(len(frames), bool), 0)
    spans = zip(made.offset.tolist(), made.length.tolist(), strict=True)
    return [made.buffer[at : at + size] for at, size in spans]


def test_a_datagram_by_hand() -> None:
    frames = cut([BY_HAND]).frames
    assert verify(frames, [KEY]).tolist() == [True]
    assert vins(frames) == [DEVICE.encode()]
    assert encode(DEVICE, BY_HAND[BODY:-SIGNATURE], KEY) == BY_HAND
    assert seal(BY_HAND[:-SIGNATURE] + bytes(8), KEY) == BY_HAND
    said = describe(BY_HAND, settings=settings_of(key=KEY))
    assert said["message"] == "report"
    assert said["event_time"] == "2025-11-24T12:06:24Z"
    assert said["signals"] == {
        "Vehicle.Speed": 50.0,
        "Vehicle.CurrentLocation.Heading": 90.0,
        "Vehicle.Connectivity.ReportSequence": 7,
    }
    assert said["raw"]["signed"] is True
    assert bytes.fromhex(said["reply"])[-8:] == proof_of(BY_HAND, KEY)


def test_a_report_that_holds_everything_fits_fifty_bytes() -> None:
    whole = pack_report(NOON_S, 1, {part.path: None for part in PARTS})
    assert len(whole) == REPORT_MAX
    assert len(sent(whole)) <= DATAGRAM_MAX
    assert frame_length(sent(whole)[:12]) == len(sent(whole))
    assert frame_length(b"M") is None


@pytest.mark.parametrize(
    ("device", "body"), [("vehicle-1", REPORT), ("00", REPORT), (DEVICE, bytes(34))]
)
def test_what_is_no_datagram_is_refused(device: str, body: bytes) -> None:
    with pytest.raises(Invalid):
        encode(device, body, KEY)


def test_only_the_devices_own_key_signs() -> None:
    frames = cut([sent(), sent(key=b"another key"), sent(), sent(key=b"")]).frames
    assert verify(frames, [KEY, KEY, None, b""]).tolist() == [True, False, False, False]
    assert (proofs(frames) != 0).any(axis=1).tolist() == [True, False, False, False]


def test_what_is_stored_is_acknowledged_with_a_proof_of_the_key() -> None:
    datagram = sent()
    (said,) = acknowledged(heard(datagram))
    assert said[:BODY] == datagram[:BODY]
    assert said[BODY:-SIGNATURE] == bytes.fromhex("a1 00 0102")
    assert said[-SIGNATURE:] == proof_of(datagram, KEY)
    assert len(said) == 21
    assert acknowledged(heard(datagram)) == [said]


def test_what_is_not_stored_or_not_signed_is_not_acknowledged() -> None:
    frames = heard(sent(), sent(), sent(key=b"stranger"), keys=[KEY, KEY, KEY])
    assert [len(one) for one in acknowledged(frames, [1, 0, 1])] == [21, 0, 0]


def test_rows_taken_from_a_tick_find_their_proofs() -> None:
    frames = heard(*[sent(pack_report(NOON_S, number, {})) for number in range(1, 6)])
    some = frames.take(np.array([4, 1])).addressed(np.ones(2, np.uint64), np.ones(2, np.uint32))
    assert [int.from_bytes(one[11:13], "big") for one in acknowledged(some)] == [5, 2]


def test_what_can_never_be_stored_is_refused_for_good() -> None:
    frames = heard(sent(pack_report(0, 9, {})), sent(ANSWERED))
    decoded = decode(frames, 0)
    assert [(reject.code, reject.frame) for reject in decoded.rejects] == [("time", 0)]
    said = acknowledged(frames, flags_for(frames, decoded.rejects))
    assert said[0][BODY:-SIGNATURE] == bytes.fromhex("a1 01 0009")
    assert said[1][BODY:-SIGNATURE] == bytes.fromhex("a1 00 0011")
    assert flags_for(frames, [Reject("garbage", "", b"")]).tolist() == [1, 1]


def test_a_datagram_sent_again_is_one_record_and_so_is_the_same_report_by_iridium() -> None:
    header = MoHeader(1, b"300434000000001", 0, 2, 3, NOON_S + 600)
    (here,) = decode(cut([sent(), sent(), sent(key=b"new key")]).frames, 1).batches
    (there,) = iridium.decode(iridium.cut([iridium.encode_mo(header, REPORT)]).frames, 2).batches
    names = set(here.numpy("record").tolist()) | set(there.numpy("record").tolist())
    times = set(here.numpy("event_time").tolist()) | set(there.numpy("event_time").tolist())
    assert len(names) == len(times) == 1


def test_reports_and_answers_become_batches() -> None:
    made = decode(cut(FRAMES).frames, 5)
    assert [batch.kind for batch in made.batches] == ["report", "event"]
    assert [rows.tolist() for rows in made.rows] == [[0, 3], [1]]
    row = made.batches[0].data.to_pylist()[0]
    assert row["Vehicle.TraveledDistance"] == 12_345_600
    assert row["quality"] is None
    assert made.batches[0].column("quality")[1].as_py()
    assert made.batches[1].column("raw")[0].as_py()[3:] == ANSWERED
    assert set(SIGNALS) > {part.path for part in PARTS}


def test_what_goes_to_decode_is_what_devices_say() -> None:
    frames = cut(FRAMES).frames
    assert is_record(frames).tolist() == [True, True, True, True, False, False]
    assert not is_login(frames).any()
    assert kinds(frames).tolist() == [0xC1, 0xC2, 0xC1, 0xC1, 0xA1, 0xD1]
    session = Session()
    for frame in FRAMES[:4]:
        assert session.handle(frame, 0) is None
    for frame in FRAMES[4:]:
        event = session.handle(frame, 0)
        assert isinstance(event, Refused)
        assert (event.code, event.owed, event.vin) == ("direction", 0, DEVICE)
        assert event.reply(1, 0) == b""


def test_a_session_with_a_key_acknowledges_what_is_signed() -> None:
    session = Session(KEY)
    stream = sent() + sent(key=b"stranger") + sent(ANSWERED)
    for byte in stream:
        session.receive_data(bytes([byte]))
    assert len(session.frames_received()) == 3
    assert len(session.data_to_send()) == 2 * 21
    assert session.data_to_send() == b""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"M" + bytes(8) + b"\x99", "structure"),
        (b"M" + bytes(8) + b"\xc1\x01\x00", "structure"),
        (b"M" + bytes(8) + b"\xd1" + bytes(7) + b"\xff", "structure"),
        (b"\x00\x01", "garbage"),
    ],
)
def test_what_is_no_datagram_is_told(data: bytes, code: str) -> None:
    found = cut([data, sent()])
    assert len(found.frames) == 1
    assert [(reject.code, reject.peer) for reject in found.rejects] == [(code, 0)]


def asked(kind: str, **parameters: Any) -> Command:
    return Command(id="0" * 32, number=17, kind=kind, parameters=parameters, time_us=1)


def test_a_command_is_signed_and_answered() -> None:
    sealed = encode_command(asked("lock", doors="driver"), DEVICE, key=KEY)
    frames = cut([sealed.data]).frames
    assert verify(frames, [KEY]).tolist() == [True]
    assert verify(frames, [b"another"]).tolist() == [False]
    said = read_command(sealed.data[BODY:-SIGNATURE])
    assert said == CompactCommand("lock", 17, 0, {"doors": "driver"})
    assert describe(sealed.data)["raw"]["kind"] == "lock"
    ((row, told),) = answers(cut([sent(), sent(ANSWERED)]).frames)
    assert (row, told.key, told.outcome) == (1, sealed.key, "succeeded")
    assert "lock" in COMMANDS


def test_a_command_without_a_key_or_too_long_is_refused() -> None:
    with pytest.raises(Invalid, match="no key"):
        encode_command(asked("unlock"), DEVICE)
    text = encode_command(asked("text", text="x" * 23), DEVICE, key=KEY)
    assert len(text.data) == DATAGRAM_MAX
    with pytest.raises(Invalid, match="33 are allowed"):
        encode_command(asked("text", text="x" * 24), DEVICE, key=KEY)


def test_every_kind_of_datagram_is_described() -> None:
    said = [describe(frame) for frame in FRAMES]
    assert [one["message"] for one in said] == [
        "report", "answer to a command", "report", "report", "acknowledgement", "command",
    ]  # fmt: skip
    assert said[2]["reject"]["code"] == "time"
    assert said[3]["quality"]["Vehicle.Alarm.Level"] == "invalid"
    assert said[4]["raw"]["result"] == "stored"
    broken = sent(bytes.fromhex("d1 99 0011 00000000 00"))
    assert describe(broken)["reject"]["code"] == "structure"
    assert compact.DATAGRAMS
