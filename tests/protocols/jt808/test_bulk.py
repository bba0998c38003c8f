"""Frames made: many at once, one by one, and answers to many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from motorcade.errors import Invalid
from motorcade.protocols import jt808
from motorcade.protocols.frames import Reject
from motorcade.protocols.inspect import describe_stream
from motorcade.protocols.jt808.answers import answer, answer_one, flags_for, say
from motorcade.protocols.jt808.bulk import encode_reports, phone_bytes
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.describe import describe
from motorcade.protocols.jt808.encode import encode, plain_of, seal
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.heads import frames_of, read_heads
from motorcade.protocols.jt808.rows import vins
from motorcade.protocols.jt808.tables import ITEMS

TIME = 1_761_566_522_000_000
L = "Vehicle.CurrentLocation"


def columns(n: int) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    return {
        f"{L}.Latitude": np.round(rng.uniform(-90, 90, n), 6),
        f"{L}.Longitude": np.round(rng.uniform(-180, 180, n), 6),
        f"{L}.Altitude": rng.integers(-400, 5000, n),
        f"{L}.Heading": rng.integers(0, 360, n),
        "Vehicle.Speed": np.round(rng.uniform(0, 200, n), 1),
        "Vehicle.TraveledDistance": rng.integers(0, 1_000_000, n) * 100,
        "Vehicle.Alarm.TerminalFlags": rng.integers(0, 1 << 32, n),
        "Vehicle.Cabin.HVAC.AmbientAirTemperature": rng.integers(-40, 60, n),
        "Vehicle.Alarm.Area.Type": rng.integers(0, 4, n),
        "Vehicle.Body.SignalFlags": rng.integers(0, 1 << 15, n),
    }


@pytest.mark.parametrize("edition", [2013, 2019])
@pytest.mark.parametrize("reissued", [False, True])
def test_what_is_encoded_is_decoded(edition: int, reissued: bool) -> None:
    n = 300
    wanted = columns(n)
    phones = phone_bytes([f"1390{number:07d}" for number in range(n)], edition)
    times = TIME + np.arange(n) * 1_000_000
    made = encode_reports(
        phones, times, wanted, edition=edition, reissued=reissued, serial=np.arange(n) + 0x7D00
    )
    again = cut([made.buffer.tobytes()])
    assert not again.rejects
    assert not again.remainder
    assert again.frames.offset.tolist() == made.offset.tolist()
    assert vins(again.frames)[299] == b"13900000299"
    assert read_heads(again.frames).serial.tolist() == (np.arange(n) + 0x7D00).tolist()
    (batch,) = decode(again.frames, 0).batches
    assert batch.numpy("event_time").tolist() == times.tolist()
    assert set(batch.column("reissued").to_pylist()) == {reissued}
    for path, values in wanted.items():
        assert batch.column(path).to_pylist() == pytest.approx(values.tolist(), abs=1e-4), path


def test_items_are_those_asked_for() -> None:
    phones = phone_bytes(["1"])
    made = encode_reports(phones, np.array([TIME]), {}, items=[0x30, 0x01])
    (said,) = describe_stream(jt808, made.buffer.tobytes())
    assert [item["id"] for item in said["raw"]["items"]] == ["0x30", "0x01"]
    for wrong in (0xE9, 0x05):
        with pytest.raises(Invalid):
            encode_reports(phones, np.array([TIME]), {}, items=[wrong])
    with pytest.raises(Invalid):
        encode_reports(phones, np.array([TIME]), {}, items=[item.id for item in ITEMS] * 20)
    with pytest.raises(Invalid):
        phone_bytes(["not a number"])


def test_single_frames() -> None:
    frame = encode(0x0200, "139", b"\x7e\x7d" + bytes(26), serial=0x17D7E)
    assert b"\x7e" not in frame[1:-1]
    assert plain_of(frame)[10:14] == b"\x7d\x7e\x7e\x7d"
    for wrong in ("1" * 13, "abc", "١"):
        with pytest.raises(Invalid):
            encode(0x0002, wrong)
    with pytest.raises(Invalid):
        encode(0x0900, "1", bytes(1024))


def test_seal_makes_any_bytes_a_frame() -> None:
    rng = np.random.default_rng(4)
    for size in range(14, 300):
        made = cut([seal(b"\x7e" + rng.bytes(size) + b"\x7e")])
        assert len(made.frames) <= 1
    assert seal(b"short") == b"short"
    frame = encode(0x0200, "139", bytes(28))
    assert seal(frame[:-2] + b"\x00\x7e") == frame


def test_answers_to_many() -> None:
    frames = [
        encode(0x0200, "13900000001", bytes(28), serial=0x7E),
        encode(0x0704, "13900000002", bytes(28), serial=2, edition=2019),
        encode(0x0801, "13900000003", b"\0\0\0\x7d" + bytes(40), serial=3),
        encode(0x0200, "13900000004", bytes(28), serial=4),
    ]
    cutted = cut([b"".join(frames)]).frames
    flags = flags_for(cutted, [Reject("structure", "", b"", 1), Reject("x", "", b"", -1)])
    assert flags.tolist() == [1, 3, 1, 1]
    flags[3] = 0
    made = answer(cutted, flags, np.zeros(4, bool), TIME)
    said = [
        made.buffer[at : at + size]
        for at, size in zip(made.offset.tolist(), made.length.tolist(), strict=True)
    ]
    assert said[3] == b""
    assert [plain_of(one)[-5:].hex() for one in said[:2]] == ["007e020000", "0002070402"]
    assert plain_of(said[2])[:2] == b"\x88\x00"
    assert plain_of(said[2])[-4:] == b"\0\0\0\x7d"
    again = cut([made.buffer])
    assert not again.rejects
    assert vins(again.frames) == [b"13900000001", b"13900000002", b"13900000003"]
    assert answer_one(frames[0], 1) == said[0]
    assert answer_one(frames[0], 0) == b""
    assert plain_of(say(frames[1], 0x8204, b""))[:5] == b"\x82\x04\x40\x00\x01"


def test_nothing_to_answer() -> None:
    empty = np.zeros(0, np.int64)
    none = frames_of(np.zeros(0, np.uint8), empty, empty, empty)
    made = answer(none, np.zeros(0, np.uint8), np.zeros(0, bool), 0)
    assert (made.buffer, len(made.offset)) == (b"", 0)
    assert vins(none) == []
    assert not decode(none, 0).batches


def test_describing() -> None:
    said = describe(encode(0x0102, "139", b"secret"))
    assert said["raw"]["body"] == {"code": "******"}
    part = describe(encode(0x0801, "139", b"abc", part=(3, 2)))
    assert part["raw"]["part"] == "2 of 3"
    down = describe(encode(0x9101, "139", b"\x01a\0\x01\0\x02\x01\x00\x00"))
    assert "JT/T 1078" in down["message"]
    assert (down["reject"], down["reply"]) == (None, None)
    batch = describe(encode(0x0704, "139", jt808.batch_body([bytes(28)] * 2)))
    assert len(batch["raw"]["more"]) == 1
    assert len(batch["raw"]["body"]["locations"]) == 2
