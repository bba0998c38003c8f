"""JT/T 808 against frames and values made by others, which may not all stand in this repository.

Set ``MOTORCADE_EXTRA_VECTORS`` to a directory with ``jt808.jsonl``: one object a line with ``id``,
``hex`` and what another implementation says it means, in that one's form. Every number and text of
theirs has to be among ours.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motorcade.protocols import jt808
from motorcade.protocols.inspect import describe_stream
from motorcade.protocols.jt808.encode import escaped, plain_of
from motorcade.protocols.jt808.heads import read_heads
from motorcade.protocols.jt808.parameters import parameter_id

DIRECTORY = os.environ.get("MOTORCADE_EXTRA_VECTORS", "")
FILE = Path(DIRECTORY) / "jt808.jsonl"
L = "Vehicle.CurrentLocation"
T = "Vehicle.Connectivity.Terminal"

pytestmark = pytest.mark.skipif(
    not DIRECTORY or not FILE.exists(),
    reason="set MOTORCADE_EXTRA_VECTORS to a directory with jt808.jsonl to compare with others",
)


def rows(*, begins: str = "", key: str = "hex") -> list[Any]:
    if not DIRECTORY or not FILE.exists():
        return []
    return [
        pytest.param(one, id=one["id"])
        for one in map(json.loads, FILE.read_text().splitlines())
        if key in one and one["id"].startswith(begins)
    ]


def frame_of(row: dict[str, Any]) -> bytes:
    """The frame; where its author masked something, with its checksum made right."""
    data = bytes.fromhex(row.get("hex_checksum_fixed", row["hex"]))
    return data if row["checksum_ok"] else escaped(plain_of(data))


def described(row: dict[str, Any]) -> dict[str, Any]:
    (said,) = describe_stream(jt808, frame_of(row))
    return said


@pytest.mark.parametrize("row", rows())
def test_others_frames_are_read(row: dict[str, Any]) -> None:
    if not row["checksum_ok"]:
        cut = jt808.cut([bytes.fromhex(row["hex"])])
        assert [reject.code for reject in cut.rejects] == ["checksum"]
    said = described(row)
    assert said["raw"]["message"].lower() == row["msg_id"].lower()
    refused = said["message"] in ("unknown message", "maker's message")
    refused |= row["msg_id"] in ("1211", "1212")
    assert (said["reject"] or {}).get("code", "message") == "message"
    assert (said["reject"] is None) != refused
    if row["msg_id"] not in ("5501", "5502") and row["length_ok"]:
        assert said["raw"]["serial"] == row["seq"]
        assert said["raw"]["edition"] == int(row["header"])
        digits = row["phone"].lstrip("0") or "0"
        assert said["vin"] == digits if digits.isdigit() else len(said["vin"]) == 15


# Every leaf of theirs among ours, whatever it is called.

SKIPPED = {
    # Not the message's: its header, or what their program adds.
    "messageId",
    "properties",
    "protocolVersion",
    "clientId",
    "serialNo",
    "verified",
    "packageTotal",
    "packageNo",
    "reflectMessageId",
}
UNLIKE = {
    "emqx-t_2013_driver_id_report_without_id_card-1": "its texts are UTF-8, the standard's GBK",
    "emqx-t_case16_driver_id_report_id_card-51": "its texts are UTF-8, its time is no BCD",
    "emqx-t_default_encoding_utf8_passthrough-53": "its texts are UTF-8",
    "emqx-t_utf8_passthrough_register_license_number-70": "its texts are UTF-8",
    "emqx-t_2019_poly_area_serialize-23": "its name is UTF-8",
    "emqx-t_2019_rect_area_serialize-29": "its name is UTF-8",
}


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in SKIPPED:
                yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif value is not None:
        yield value


def ours(said: dict[str, Any]) -> set[str]:
    """Everything we say, in every form another may write it in."""
    found: set[str] = set()
    for value in leaves([said["raw"], said["signals"], said["event_time"], list(keys(said))]):
        found.add(str(value))
        if isinstance(value, (int, float)):
            found.update(str(round(value * factor)) for factor in (0.01, 1, 10, 1e6))
        elif re.fullmatch(r"[0-9a-f]+", value) and len(value) % 2 == 0:
            data = bytes.fromhex(value)
            found.update(map(str, data))
            found.update(str(int.from_bytes(data[at : at + 4])) for at in range(len(data)))
            found.update(str(int.from_bytes(data[at : at + 2])) for at in range(len(data)))
            found.add(data.decode("gb18030", "replace").strip("\0"))
            found.update(one.decode() for one in re.findall(rb"[ -~]+", data))
            # A terminal's number stands at the front of an alarm's label.
            found.add(data[:7].decode("gb18030", "replace"))
            if re.fullmatch(r"\d{12}", value):
                pairs = re.findall(r"\d\d", value)
                found.add("20{}-{}-{}T{}:{}:{}".format(*pairs))
                found.add("20{}-{}-{} {}:{}:{}".format(*pairs))
        elif re.match(r"\d{4}-\d\d-\d\dT", value):
            local = datetime.fromisoformat(value) + timedelta(hours=8)
            found.update(local.strftime(form) for form in ("%Y-%m-%dT%H:%M:%S", "%y%m%d%H%M%S"))
            found.add(local.strftime("%Y-%m-%d %H:%M:%S"))
    return found


def keys(value: Any) -> Iterator[Any]:
    """Names of parameters are their ids."""
    named = value["raw"].get("body", {}).get("parameters", {})
    for name in named if isinstance(named, dict) else ():
        number = parameter_id(name)
        yield number
    items = value["raw"].get("items", [])
    yield from (int(item["id"], 16) for item in items if item["id"])
    yield from (len(value["raw"].get("more", [])) + 1, len(items))


def theirs(said: set[str], value: Any, whole: str) -> bool:
    text = str(value).removeprefix("hex:")
    if text in said or text == "" or value is False or value == 0:
        return True
    if isinstance(value, int) and value < 0:
        return str(value & 0xFF) in said
    if str(value).startswith("hex:"):
        data = bytes.fromhex(text)
        spelled = data.decode("gb18030", "replace").strip("\0")
        return spelled in said or str(int.from_bytes(data)) in said
    if re.fullmatch(r"[A-Za-z0-9+/]+=*", text) and len(text) % 4 == 0:
        data = base64.b64decode(text)
        return data.hex() in whole or str(int.from_bytes(data)) in said
    return text.lower() in whole


@pytest.mark.parametrize("row", [*rows(begins="yezhihao"), *rows(begins="emqx")])
def test_decoded_values(row: dict[str, Any]) -> None:
    if row["id"] in UNLIKE:
        pytest.skip(UNLIKE[row["id"]])
    decoded = row["expect"]["decoded"]
    said = described(row)
    have = ours(said)
    secret = said["raw"].get("body", {}).get("code") or "*" * 8
    whole = json.dumps(said) + frame_of(row).hex() * bool(row["msg_id"] in ("8a00", "0901"))
    for value in leaves(decoded.get("body", decoded)):
        if isinstance(value, str) and set(secret) == {"*"} and len(value) == len(secret):
            continue
        assert theirs(have, value, whole), value


@pytest.mark.parametrize("row", rows(begins="gojt808-["))
def test_annotated_values(row: dict[str, Any]) -> None:
    said = described(row)
    have, whole = ours(said), json.dumps(said)
    _, _, body = row["expect"]["annotated"].partition("数据体对象")
    body = body.partition("\n}")[0]
    for line in re.findall(r"\[[0-9a-f]*\] ?[^\[\]]*:\[([^\]]*)\]", body):
        if "*" not in whole or line not in ("", "0"):
            assert theirs(have, line, whole) or said["raw"]["body"].get("code"), line


@pytest.mark.parametrize("row", rows(begins="smallchi"))
def test_built_values(row: dict[str, Any]) -> None:
    built = str(row.get("expect") and row["expect"].get("built_from"))
    have = ours(described(row))
    names = (
        "Lat|Lng|Altitude|Speed|Direction|Mileage|Oil|EventId|AreaId|Time|CarSignalStatus|IOStatus"
    )
    for name, value in re.findall(rf"\b({names}) = (\d+)", built):
        assert value in have, name


@pytest.mark.parametrize("row", rows(begins="gojt808-parse"))
def test_structs(row: dict[str, Any]) -> None:
    said = described(row)
    have, whole = ours(said), json.dumps(said, ensure_ascii=False)
    for name, value in re.findall(r"(\w+): (\d+|\"[^\"]*\")", row["expect"]["go_struct"]):
        text = value.strip('"')
        if name in ("AuthCode", "Password") or name.endswith("Len"):
            continue
        assert theirs(have, text, whole), (name, value)


# One value each of real devices.

REAL: dict[str, dict[str, Any]] = {
    "traccar-001": {f"{L}.GNSSReceiver.Satellites": 14},
    "traccar-006": {f"{L}.GNSSReceiver.Satellites": 14},
    "traccar-007": {f"{T}.BatteryLevel": 100},
    "traccar-009": {f"{T}.BatteryVoltage": 4.005},
    "traccar-014": {"Vehicle.Powertrain.CombustionEngine.Speed": 55.0},
    "traccar-016": {f"{T}.BatteryLevel": 86},
    "traccar-018": {"Vehicle.Connectivity.TerminalText": "MD,SET CONFIG OK!"},
    "traccar-021": {f"{T}.BatteryLevel": 62},
    "traccar-027": {f"{T}.Temperatures": [-10.8]},
    "traccar-029": {f"{T}.BatteryLevel": 100},
    "traccar-041": {f"{T}.BatteryVoltage": 3.95},
    "traccar-044": {"Vehicle.Driver.Name": "DRIVING LICENSE$TEST$MR."},
    "traccar-057": {"Vehicle.Diagnostics.DTCList": ["P538f", "U029f"]},
    "traccar-065": {"Vehicle.LowVoltageBattery.CurrentVoltage": 74.94},
    "traccar-095": {"Vehicle.LowVoltageBattery.CurrentVoltage": 13.0},
    "traccar-098": {"Vehicle.Connectivity.IMEI": "867567041100769"},
    "traccar-099": {f"{T}.BatteryLevel": 79},
    "traccar-100": {"Vehicle.Connectivity.ICCID": "89883030000131882455"},
    "traccar-105": {f"{T}.BatteryVoltage": 4.15},
    "traccar-110": {"Vehicle.Connectivity.ICCID": "898604a6102181622843"},
}


@pytest.mark.parametrize("row", rows(begins="traccar"))
def test_real_devices(row: dict[str, Any]) -> None:
    said = described(row)
    signals = said["signals"]
    for path, value in REAL.get(row["id"], {}).items():
        assert signals[path] == value
    if row["msg_id"] in ("0200", "0704") and row["expect"]["assert"] != "verifyNull":
        assert -90 <= signals[f"{L}.Latitude"] <= 90
        assert said["event_time"]
    if row["msg_id"] == "0200":
        # Nothing is dropped: an item without a signal stands in raw with all its bytes.
        for item in said["raw"]["items"]:
            if item["name"] is None:
                assert item["hex"] in said["raw"][item["id"]]


@pytest.mark.parametrize("row", rows(key="stream_hex"))
def test_streams(row: dict[str, Any]) -> None:
    cut = jt808.cut([bytes.fromhex(row["stream_hex"])])
    found = [cut.frames.bytes_of(one).hex() for one in range(len(cut.frames))]
    # Theirs stops at the first fault; ours goes on.
    assert found[: len(row["expect_frames"])] == row["expect_frames"]
    assert bool(cut.rejects) == bool(row["expect_error"])


@pytest.mark.parametrize("row", rows(key="frames"))
def test_sub_packages(row: dict[str, Any]) -> None:
    frames = [escaped(plain_of(bytes.fromhex(one))) for one in row["frames"]]
    session = jt808.Session()
    heard = jt808.hear(jt808.cut([b"".join(frames)]).frames, [session], 0)
    last = len(heard.frames) - 1
    body = read_heads(heard.frames).body_of(last)
    assert hashlib.sha256(body).hexdigest() == row["expect"]["body_sha256"]
    pieces, batch = jt808.decode(heard.frames, 0).batches
    assert (pieces.kind, len(pieces), batch.kind) == ("event", last, "media")
    assert batch.column("Vehicle.Media.Id").to_pylist() == [row["expect"]["multimedia_id"]]
    picture = batch.column("raw")[0].as_py()
    assert picture.startswith(bytes.fromhex(row["expect"]["jpeg_starts_ffd8"]))
    assert picture.endswith(bytes.fromhex(row["expect"]["jpeg_ends"]))
    n = len(heard.frames)
    answers = jt808.answer(heard.frames, np.ones(n, np.uint8), np.zeros(n, bool), 0)
    said = jt808.messages(jt808.cut([answers.buffer]).frames).tolist()
    assert said == [0x8001] * last + [0x8800]
