"""``docs/protocols/mqtt.md``: its client and command lines work, its codes are the code's."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from door import Door

from motorcade import limits
from motorcade.protocols import mqtt
from motorcade.protocols.commands import Command
from motorcade.protocols.mqtt.words import DISCONNECT, PUBLISH, REASONS, SUBSCRIBE
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.objects import columns_of, readings, timestamps

PAGE = (Path(__file__).parents[3] / "docs" / "protocols" / "mqtt.md").read_text("utf-8")
VIN = "LMCTEST0000000001"
COMMAND = Command(id="b" * 32, number=3, kind="unlock", time_us=0)


async def test_the_client_reports_and_obeys(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    script = tmp_path / "vehicle.py"
    script.write_text(code, encoding="utf-8")
    async with Door() as door:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(script),
            *["127.0.0.1", str(door.port), VIN, "token", "2"],
            stdout=asyncio.subprocess.PIPE,
        )
        await door.until(1, SUBSCRIBE)
        door.push(mqtt.encode_command(COMMAND, VIN, door.sessions[-1]).data)
        async with asyncio.timeout(30):
            out, _ = await process.communicate()
        assert process.returncode == 0
        assert sorted(out.decode().splitlines()) == ["asked to unlock", "stored", "stored"]
        assert len(await door.until(3, PUBLISH)) == 3
        await door.until(1, DISCONNECT)


@pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None,
    reason="mosquitto_pub is not installed (Debian package mosquitto-clients)",
)
async def test_the_command_line_reports() -> None:
    (line,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    async with Door() as door:
        values = {"$VIN": VIN, "$TOKEN": "t", "$(date +%s)": "1772366400", "\\\n": " "}
        for name, value in values.items():
            line = line.replace(name, value)
        words = shlex.split(line)
        words[words.index("1883")] = str(door.port)
        process = await asyncio.create_subprocess_exec(*words)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        (packet,) = await door.until(1, PUBLISH)
    session = mqtt.Session()
    session.receive_data(mqtt.encode_connect(VIN))
    heard = mqtt.hear(mqtt.cut([packet]).frames, [session], 0)
    batch = mqtt.decode(heard.frames, 0).batches[0]
    assert batch.column("Vehicle.IsMoving").to_pylist() == [True]


def test_the_listener_and_the_publisher_do_not_replace_each_other() -> None:
    """A second link of a vehicle over the same bearer takes the first one's place."""
    for name in ("README.md", "docs/commands.md", "docs/protocols/mqtt.md"):
        text = (Path(__file__).parents[3] / name).read_text("utf-8")
        lines = re.findall(r"mosquitto_(pub|sub) -.*? -i \S+?/(\w+)", text)
        assert lines, name
        assert {bearer for tool, bearer in lines if tool == "pub"} == {"wifi"}, name
        assert {bearer for tool, bearer in lines if tool == "sub"} <= {"lte"}, name
        assert len(lines) == len(re.findall(r"mosquitto_(?:pub|sub) -", text)), name


def test_every_example_is_understood() -> None:
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    found = [one for message in examples for one in readings(message) if one.time is not None]
    assert len(found) == 3
    us, faults = timestamps([one.time for one in found])
    assert not faults
    assert (us[0], us[2] - us[1]) == (1_772_366_400_250_000, 1_000_000)
    assert not columns_of(load_catalogue(), [one.signals for one in found]).faults


def test_every_reason_code_is_on_the_page() -> None:
    told = {int(code, 16) for code in re.findall(r"^\| 0x([0-9A-F]{2}) \|", PAGE, re.MULTILINE)}
    assert told == set(REASONS.values()) - {0x83}
    for code in mqtt.FATAL - {"unknown_vin", "credentials", "duplicate", "unavailable"}:
        assert f"`{code}`" in PAGE


def test_the_bounds_on_the_page_are_the_codes() -> None:
    for bound in (
        limits.MQTT_RECEIVE_MAX,
        limits.MQTT_PACKET_BYTES_MAX,
        limits.MQTT_ALIASES_MAX,
        limits.MQTT_KEEP_ALIVE_S_MAX,
        limits.MQTT_WILL_BYTES_MAX,
        limits.MQTT_SESSION_EXPIRY_S_MAX,
        limits.MQTT_FILTERS_MAX,
        limits.MQTT_FILTER_BYTES_MAX,
    ):
        assert f"{bound:,}" in PAGE
