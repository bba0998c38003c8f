"""Locations, batches, events and media as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from motorcade.limits import JT808_MEDIA_PART_BYTES_MAX
from motorcade.protocols.frames import Decoded
from motorcade.protocols.jt808.bodies import find_bodies
from motorcade.protocols.jt808.columns import numbers
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.encode import encode, escaped
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.heads import read_heads
from motorcade.protocols.jt808.layout import Field, Item
from motorcade.protocols.jt808.leftovers import read_raw
from motorcade.protocols.jt808.other_batches import other_batches
from motorcade.protocols.jt808.others import read_other
from motorcade.protocols.jt808.plan import compiled, plan
from motorcade.protocols.jt808.short import read_short
from motorcade.protocols.jt808.sink import Sink
from motorcade.protocols.jt808.texts import read_text
from motorcade.protocols.jt808.uplink import batch_body, can_body, driver_body, media_body
from motorcade.protocols.jt808.walk import walk, walk_words
from motorcade.signals.quality import qualities

PHONE = "13900000001"
TIME = 1_727_798_399_000_000
NOW = 1_761_566_522_000_000
L = "Vehicle.CurrentLocation"


def body(items: str = "", *, status: int = 3, time: str = "241001235959", **places: int) -> bytes:
    """A location; ``items`` in hex."""
    head = places.get("alarms", 0).to_bytes(4, "big") + status.to_bytes(4, "big")
    head += places.get("latitude", 31_000_000).to_bytes(4, "big")
    head += places.get("longitude", 121_000_000).to_bytes(4, "big")
    head += (places.get("altitude", 12) & 0xFFFF).to_bytes(2, "big") + b"\x02\x59\x00\x5a"
    return head + bytes.fromhex(time) + bytes.fromhex(items.replace(" ", ""))


def decoded(*frames: bytes) -> Decoded:
    return decode(cut([b"".join(frames)]).frames, NOW)


def rows(made: Decoded) -> list[dict[str, Any]]:
    """Every row's values that are there."""
    return [
        {name: value for name, value in one.items() if value is not None}
        for batch in made.batches
        for one in batch.data.to_pylist()
    ]


def one_row(items: str = "", **places: Any) -> dict[str, Any]:
    (row,) = rows(decoded(encode(0x0200, PHONE, body(items, **places))))
    return row


def test_the_basic_location() -> None:
    row = one_row(alarms=0x8000_0001, status=0x1403)
    assert row["Vehicle.Alarm.TerminalFlags"] == 0x8000_0001
    assert row["Vehicle.Connectivity.TerminalStatus"] == 0x1403
    assert row[f"{L}.Latitude"] == 31.0
    assert row[f"{L}.Longitude"] == 121.0
    assert row[f"{L}.Altitude"] == 12.0
    assert row[f"{L}.Heading"] == 90.0
    assert row["Vehicle.Speed"] == pytest.approx(60.1)
    assert row[f"{L}.IsValid"] is True
    assert row["Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"] is True
    assert int(row["event_time"].timestamp()) * 1_000_000 == TIME
    assert row["reissued"] is False


@pytest.mark.parametrize(
    ("status", "latitude", "longitude"), [(4, -31.0, 121.0), (8, 31.0, -121.0), (12, -31.0, -121.0)]
)
def test_hemispheres(status: int, latitude: float, longitude: float) -> None:
    row = one_row(status=status)
    assert (row[f"{L}.Latitude"], row[f"{L}.Longitude"]) == (latitude, longitude)


def test_below_the_sea() -> None:
    assert one_row(altitude=-30)[f"{L}.Altitude"] == -30.0


@pytest.mark.parametrize(("bits", "word"), [(0, "EMPTY"), (1, "HALF"), (3, "FULL"), (2, None)])
def test_load(bits: int, word: str | None) -> None:
    made = decoded(encode(0x0200, PHONE, body(status=bits << 8)))
    signal = plan().catalogue["Vehicle.LoadState"]
    (code,) = made.batches[0].column("Vehicle.LoadState").to_pylist()
    assert (None if code is None else signal.words[code]) == word
    if word is None:
        (told,) = qualities(made.batches[0], plan().catalogue)
        assert told == {"Vehicle.LoadState": "invalid"}


def test_a_position_off_the_earth_is_invalid() -> None:
    made = decoded(encode(0x0200, PHONE, body(latitude=116_000_000)))
    (told,) = qualities(made.batches[0], plan().catalogue)
    assert told == {f"{L}.Latitude": "invalid"}
    assert f"{L}.Latitude" not in rows(made)[0]


@pytest.mark.parametrize("time", ["000000000000", "24130100000f"])
def test_a_time_that_is_none_is_the_time_of_arrival(time: str) -> None:
    made = decoded(encode(0x0200, PHONE, body(time=time)))
    assert not made.rejects
    assert made.batches[0].numpy("event_time").tolist() == [NOW]
    (told,) = qualities(made.batches[0], plan().catalogue)
    assert told == {f"{L}.Timestamp": "invalid"}


def test_unknown_items_are_kept_and_never_a_reject() -> None:
    row = one_row("01 04 0000000a  e9 03 010203  ff 00  77 02")
    assert row["Vehicle.TraveledDistance"] == 1000
    assert read_raw(row["raw"]) == [(0xE9, b"\x01\x02\x03"), (0xFF, b""), (0x77, b"\x02")]


def test_an_item_that_comes_twice() -> None:
    row = one_row("02 02 0001  02 02 0002")
    assert row["Vehicle.Powertrain.FuelSystem.AbsoluteLevel"] == pytest.approx(0.2)
    assert read_raw(row["raw"]) == [(0x02, b"\x00\x01")]


def test_a_code_nobody_knows_is_invalid_and_kept() -> None:
    made = decoded(encode(0x0200, PHONE, body("12 06 09 00000001 00")))
    (row,) = rows(made)
    assert row["Vehicle.Alarm.Area.Id"] == 1
    assert read_raw(row["raw"]) == [(0x12, bytes.fromhex("090000000100"))]
    (told,) = qualities(made.batches[0], plan().catalogue)
    assert told == {"Vehicle.Alarm.Area.Type": "invalid"}


def test_cabin_temperature_has_a_sign_bit() -> None:
    path = "Vehicle.Cabin.HVAC.AmbientAirTemperature"
    assert one_row("06 02 8005")[path] == -5.0
    assert one_row("06 02 0005")[path] == 5.0


def test_tyre_pressures() -> None:
    row = one_row("05 1e 37 38" + "ff" * 28)
    assert row["Vehicle.Chassis.TirePressures"] == [0x37, 0x38] + [None] * 28


@pytest.mark.parametrize("many", [1, 200])
def test_active_safety(many: int) -> None:
    adas = "64 2f 00000001 01 02 01 50 0a 01 00 00 3c 0064 01d9f2d4 073ca28d 241001120000 0011"
    label = "37363534333231 241001120000 01 02 00"
    tpms = "66 32 00000002 00 3c 0064 01d9f2d4 073ca28d 241001120000 0001" + label
    tires = "01 03 0004 00fa ffec 0050"
    frames = [encode(0x0200, PHONE, body(f"{adas}{label}{tpms}{tires}"), serial=1)] * many
    found = rows(decoded(*frames))
    assert len(found) == many
    row = found[-1]
    a, t = "Vehicle.Alarm.ADAS", "Vehicle.Alarm.TPMS"
    assert row[f"{a}.Id"] == 1
    assert row[f"{a}.FrontSpeed"] == 0x50
    assert row[f"{a}.FrontTimeGap"] == 1.0
    assert row[f"{a}.Latitude"] == pytest.approx(31.060692)
    assert row[f"{a}.Timestamp"] == "2024-10-01T04:00:00Z"
    assert row[f"{a}.Label"] == label.replace(" ", "")
    assert f"{a}.SignType" not in row
    assert row[f"{t}.Positions"] == [3]
    assert row[f"{t}.Flags"] == [4]
    assert row[f"{t}.Pressures"] == [250]
    assert row[f"{t}.Temperatures"] == [-20]
    assert "raw" not in row


def test_items_inside_an_item() -> None:
    inner = "000c 00b2 89860000000000000001 0004 002d 0fa5 0006 0089 fffffffe"
    size = len(bytes.fromhex(inner.replace(" ", "")))
    row = one_row(f"eb {size:02x} {inner}")
    assert row["Vehicle.Connectivity.ICCID"] == "89860000000000000001"
    assert row["Vehicle.Connectivity.Terminal.BatteryVoltage"] == pytest.approx(4.005)
    assert "raw" not in row
    row = one_row("eb 06 0004 1234 aaaa")
    assert read_raw(row["raw"]) == [(0xEB, bytes.fromhex("00041234aaaa"))]


def test_access_points_and_cells() -> None:
    row = one_row("f4 0e a1b2c3d4e5f6 c4 010203040506 b0  f0 0d 01cc 0000 0c1daadd 00002495 0a")
    w, c = "Vehicle.Connectivity.WiFi", "Vehicle.Connectivity.Cells"
    assert row[f"{w}.Addresses"] == ["a1b2c3d4e5f6", "010203040506"]
    assert row[f"{w}.Strength"] == [-60, -80]
    assert row[f"{c}.MCC"] == [460]
    assert row[f"{c}.Strength"] == [10]
    row = one_row("e1 14 01cc0000 002495 0c1daadd 1e 002496 0c1daade 14")
    assert row[f"{c}.MCC"] == [460, 460]
    assert row[f"{c}.Area"] == [0x2495, 0x2496]


def test_layouts_mixed_in_one_call_are_read_as_alone() -> None:
    kinds = ["01 04 0000000a", "30 01 1f 31 01 0a", "", "01 04 0000000a e9 01 05"]
    frames = [encode(0x0200, PHONE, body(kinds[n % 4]), serial=n) for n in range(400)]
    together = rows(decoded(*frames))
    for number in range(4):
        (alone,) = rows(decoded(frames[number]))
        assert together[number] == together[number + 396 - 396 % 4] == alone


def test_a_batch_is_many_rows_and_those_from_the_store_are_reissued() -> None:
    bodies = [body(time=f"2410012359{second:02d}") for second in range(5)]
    made = decoded(
        encode(0x0704, PHONE, batch_body(bodies[:2])),
        encode(0x0200, PHONE, bodies[4]),
        encode(0x0704, PHONE, batch_body(bodies[2:5], stored=True)),
    )
    (batch,) = made.batches
    assert made.rows[0].tolist() == [0, 0, 1, 2, 2, 2]
    assert batch.column("reissued").to_pylist() == [False, False, False, True, True, True]
    times = batch.numpy("event_time")
    records = batch.numpy("record")
    # What was live and comes again from the store is one record.
    assert times[2] == times[5]
    assert records[2] == records[5]
    assert len(set(records.tolist())) == 5


def test_odd_pieces_of_a_batch_are_kept_as_events() -> None:
    good, odd = body(), b"\x00" * 20
    whole = batch_body([good, odd, good]) + b"\x00\x40xyz"
    made = decoded(encode(0x0704, PHONE, whole))
    assert not made.rejects
    assert [batch.kind for batch in made.batches] == ["report", "event"]
    assert made.rows[0].tolist() == [0, 0]
    kept = made.batches[1].column("raw").to_pylist()
    assert kept == [b"\x00\x14" + odd, b"\x00\x40xyz"]


@pytest.mark.parametrize("wrong", [b"", b"\x00\x01", b"\x00\x02\x00\x00\x1c" + bytes(10)])
def test_a_batch_without_a_location_is_a_reject(wrong: bytes) -> None:
    made = decoded(encode(0x0704, PHONE, wrong), encode(0x0200, PHONE, bytes(27)))
    assert [(reject.code, reject.frame) for reject in made.rejects] == [
        ("structure", 0),
        ("structure", 1),
    ]
    assert not made.batches


def test_encrypted_bodies_are_refused() -> None:
    frame = escaped(b"\x02\x00\x04\x1c" + bytes.fromhex("013900000001") + b"\x00\x01" + bytes(28))
    made = decoded(frame)
    assert [reject.code for reject in made.rejects] == ["cipher"]


def test_driver_identity() -> None:
    made = decoded(encode(0x0702, PHONE, driver_body(TIME, "张三", "C123", "上海")))
    (row,) = rows(made)
    d = "Vehicle.Driver"
    assert made.batches[0].kind == "event"
    assert made.batches[0].numpy("event_time").tolist() == [TIME]
    assert (row[f"{d}.Name"], row[f"{d}.LicenseNumber"]) == ("张三", "C123")
    assert (row[f"{d}.LicenseAuthority"], row[f"{d}.LicenseValidUntil"]) == ("上海", "20301231")
    assert row["Vehicle.Connectivity.MessageId"] == 0x0702
    (gone,) = rows(decoded(encode(0x0702, PHONE, driver_body(TIME, "", "", "", inserted=False))))
    words = plan().catalogue[f"{d}.CardState"].words
    assert words[gone[f"{d}.CardState"]] == "REMOVED"


def test_can_frames() -> None:
    frames = [(0x18FEF100, b"\x01\x02\x03\x04\x05\x06\x07\x08"), (5, b"\xff" * 8)]
    (row,) = rows(decoded(encode(0x0705, PHONE, can_body(TIME, frames))))
    assert row["Vehicle.CAN.Ids"] == [0x18FEF100, 5]
    assert row["Vehicle.CAN.Data"] == ["0102030405060708", "ff" * 8]


def test_pass_through_is_kept_whole() -> None:
    (row,) = rows(decoded(encode(0x0900, PHONE, b"\x41hello")))
    assert row["raw"] == b"\x41hello"
    assert row["Vehicle.Connectivity.MessageId"] == 0x0900


def test_media_with_and_without_a_location_and_in_parts() -> None:
    picture = bytes(range(256)) * 4 * (JT808_MEDIA_PART_BYTES_MAX // 1000)
    frame = encode(0x0801, PHONE, media_body(9, picture, body()), part=(2, 0))
    made = decoded(frame)
    (batch,) = made.batches
    assert batch.kind == "media"
    parts = batch.column("raw").to_pylist()
    assert b"".join(parts) == picture
    assert max(map(len, parts)) <= JT808_MEDIA_PART_BYTES_MAX
    assert batch.column("Vehicle.Media.Part").to_pylist() == list(range(1, len(parts) + 1))
    assert set(batch.numpy("event_time").tolist()) == {TIME}
    assert len(set(batch.numpy("record").tolist())) == len(parts)
    head = b"\x00\x00\x00\x01\x00\x00\x01\x01"
    for picture in (b"\xff\xd8x", b"\xff\xd8" + bytes(90)):
        (row,) = rows(decoded(encode(0x0801, PHONE, head + picture)))
        assert row["raw"] == picture
    # Before the first fix the location has no time, but is there.
    (row,) = rows(decoded(encode(0x0801, PHONE, head + bytes(28) + b"\xff\xd8x")))
    assert row["raw"] == b"\xff\xd8x"
    for short in range(8):
        made = decoded(encode(0x0801, PHONE, head[:short]))
        assert [reject.code for reject in made.rejects] == ["structure"]


def test_logins_and_logouts() -> None:
    made = decoded(encode(0x0102, PHONE, b"code"), encode(0x0003, PHONE))
    assert [batch.kind for batch in made.batches] == ["login", "logout"]
    # A secret is not kept.
    assert made.batches[0].column("raw").to_pylist() == [None]


def test_short_serial_locations() -> None:
    hexed = "01022106242122348476113550490700001c06000000074e0000000000000308100000"
    time, signals = read_short(bytes.fromhex(hexed))
    assert time == 1_612_160_661_000_000
    assert signals[f"{L}.Latitude"] == pytest.approx(22 + 34.8476 / 60)
    assert signals[f"{L}.Longitude"] == pytest.approx(113 + 55.0490 / 60)
    assert read_short(b"\xff" * 40) == (None, {})
    made = decoded(
        escaped(
            b"\x55\x02\x84\x23" + bytes.fromhex("013900000001") + b"\x09" + bytes.fromhex(hexed)
        )
    )
    assert [batch.kind for batch in made.batches] == ["report"]
    assert made.batches[0].column("reissued").to_pylist() == [True]


def test_texts() -> None:
    assert read_text("京A1 \0".encode("gb18030"), "text") == "京A1"
    assert read_text(b"\0\0", "text") is None
    assert read_text(b"\x89\x86\x0f", "digits") == "89860"
    assert read_text(b"\x24\x13\x01\0\0\0", "time") is None
    assert read_text(b"P0001,U0002", "words") == ["P0001", "U0002"]
    assert read_text(b"$OBD-RT,12.5,x", "obd:1") == 12.5
    assert read_text(b"$OBD-RT,12.5,x", "obd:2") is None
    assert read_text(b"$OBD-RT,nan", "obd:1") is None


def test_numbers_of_every_form() -> None:
    catalogue = plan().catalogue
    buffer = np.array([0xFF, 0xFE, 0x80, 0x05, 0x00], np.uint8)
    at = np.array([0, 2])

    def read(field: Field) -> list[Any]:
        values, quality = numbers(buffer, compiled(catalogue, field), at)
        good = [True, True] if quality is None else (quality == 1).tolist()
        return [value if ok else None for value, ok in zip(values.tolist(), good, strict=True)]

    altitude = f"{L}.Altitude"
    assert read(Field(altitude, 0, 2, unit="m", signed="two")) == [-2.0, -32763.0]
    assert read(Field(altitude, 0, 2, unit="m", signed="bit")) == [-32766.0, -5.0]
    assert read(Field(altitude, 0, 3, unit="m")) == [16776832.0, 8389888.0]
    assert read(Field(altitude, 0, 1, 0.5, 1, unit="km")) == [128500.0, 65000.0]
    assert read(Field("Vehicle.Video.FatigueLevel", 0, 2, unit="percent")) == [None, None]
    assert read(Field(altitude, 0, 1, unit="m", invalid=(0xFF,))) == [None, 128.0]


def test_walks_find_the_same_items() -> None:
    chain = bytes.fromhex("0104000000aa300105") + b"\x31"
    buffer = np.frombuffer(chain * 60, np.uint8)
    start = np.arange(60) * len(chain)
    many = walk(buffer, start, start + len(chain) - 1)
    assert sorted(many.found) == [(0x01, 4), (0x30, 1)]
    assert many.found[(0x30, 1)].rows.tolist() == list(range(60))
    few = walk(buffer, start[:2], start[:2] + len(chain))
    assert few.rest[0].tolist() == [0, 1]
    words = np.frombuffer(bytes.fromhex("000400a81234"), np.uint8)
    inner = walk_words(words, np.array([0]), np.array([6]))
    assert list(inner.found) == [(0xA8, 2)]


def test_a_sink_joins_what_two_items_say() -> None:
    sink = Sink(3)
    signal = plan().catalogue["Vehicle.Speed"]
    sink.put(signal, np.array([0]), np.array([1.0], np.float32))
    sink.put(signal, np.array([2]), np.array([2.0], np.float32))
    assert sink.has(signal)
    assert sink.columns()["Vehicle.Speed"].to_pylist() == [1.0, None, 2.0]


def test_items_tell_what_they_hold() -> None:
    assert Item(1, "x", (4,)).holds(4)
    assert not Item(1, "x", (4,)).holds(5)
    assert Item(1, "x", (-4,)).holds(9)


def test_helpers_used_alone() -> None:
    frames = cut([encode(0x0200, PHONE, body()) + encode(0x0900, PHONE, b"x")]).frames
    heads = read_heads(frames)
    assert find_bodies(heads, np.ones(2, bool)).frame.tolist() == [0]
    ((batch, places),) = list(other_batches(frames, heads, np.array([1]), (), NOW))
    assert (batch.kind, places.tolist()) == ("event", [1])
    assert read_other(0, 0x6006, b"\x00hi", 2013, NOW)[0].raw == b"\x00hi"
