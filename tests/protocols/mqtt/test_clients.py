"""Real clients at a real port: mosquitto_pub and mosquitto_sub, paho 3.1.1 and 5, aiomqtt."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from door import NOW, Door

from motorcade.protocols import mqtt
from motorcade.protocols.commands import Command
from motorcade.protocols.mqtt.words import (
    CONNECT,
    DISCONNECT,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREL,
    SUBSCRIBE,
)

VIN = "LMCTEST0000000001"
READING = json.dumps({"ts": NOW, "signals": {"Vehicle.Speed": 54.5}})
COMMAND = Command(id="a" * 32, number=7, kind="horn_lights", time_us=NOW)

needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None,
    reason="mosquitto_pub is not installed (Debian package mosquitto-clients)",
)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door() as opened:
        yield opened


async def _run(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


def _who(door: Door, version: str) -> list[str]:
    where = ["-h", "127.0.0.1", "-p", str(door.port), "-V", version]
    return [*where, "-u", VIN, "-P", "token", "-i", VIN]


@needs_mosquitto
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_mosquitto_pub_is_satisfied(door: Door, version: str, qos: str) -> None:
    code, out = await _run(
        "mosquitto_pub",
        *_who(door, version),
        *["-q", qos, "-t", f"v/{VIN}/up/json", "-m", READING, "--repeat", "3"],
    )
    assert (code, out) == (0, "")
    assert len(await door.until(3, PUBLISH)) == 3
    await door.until(1, DISCONNECT)
    assert len([p for p in door.packets if p[0] >> 4 == PUBREL]) == (3 if qos == "2" else 0)


@needs_mosquitto
async def test_mosquitto_pub_is_told_what_it_may_not(door: Door) -> None:
    words = ["-q", "1", "-t", "v/LMCTEST0000000002/up/json", "-m", READING]
    code, out = await _run("mosquitto_pub", *_who(door, "mqttv5"), "-d", *words)
    assert "135" in out or "Not authorized" in out, out
    code, out = await _run("mosquitto_pub", *_who(door, "mqttv311"), *words)
    assert code != 0 or "lost" in out


@needs_mosquitto
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_sub_gets_a_command(door: Door, version: str) -> None:
    words = ["-q", "1", "-t", f"v/{VIN}/down/#", "-C", "1", "-v"]
    listening = asyncio.create_task(_run("mosquitto_sub", *_who(door, version), *words))
    await door.until(1, SUBSCRIBE)
    door.push(mqtt.encode_command(COMMAND, VIN, door.sessions[-1]).data)
    code, out = await listening
    assert code == 0
    topic, _, body = out.partition(" ")
    assert topic == f"v/{VIN}/down/command"
    assert json.loads(body)["number"] == 7
    await door.until(1, PUBACK)


@pytest.mark.parametrize("version", [paho.MQTTv311, paho.MQTTv5])
async def test_paho_reports_and_obeys(door: Door, version: Any) -> None:
    heard: list[dict[str, Any]] = []
    ready = threading.Event()
    obeyed = threading.Event()

    def drive() -> None:
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=f"{VIN}/nr", protocol=version
        )
        client.username_pw_set(VIN, "token")
        client.on_subscribe = lambda *_: ready.set()

        def obey(_: Any, __: Any, message: Any) -> None:
            heard.append(json.loads(message.payload))
            answer = {"number": heard[-1]["number"], "outcome": "succeeded"}
            client.publish(f"v/{VIN}/up/answer", json.dumps(answer), 1)
            obeyed.set()

        client.on_message = obey
        client.connect("127.0.0.1", door.port, keepalive=30)
        client.loop_start()
        client.subscribe(f"v/{VIN}/down/#", 1)
        for qos in (0, 1, 2):
            client.publish(f"v/{VIN}/up/json", READING, qos).wait_for_publish(10)
        obeyed.wait(10)
        client.disconnect()
        client.loop_stop()

    driving = asyncio.create_task(asyncio.to_thread(drive))
    await asyncio.to_thread(ready.wait, 10)
    door.push(mqtt.encode_command(COMMAND, VIN, door.sessions[-1]).data)
    async with asyncio.timeout(20):
        await driving
    assert [one["kind"] for one in heard] == ["horn_lights"]
    assert len(await door.until(4, PUBLISH)) == 4
    assert not [p for p in door.packets if p[0] >> 4 == PUBCOMP]


async def test_aiomqtt_reports_and_obeys(door: Door) -> None:
    async with aiomqtt.Client(
        "127.0.0.1",
        door.port,
        username=VIN,
        password="token",
        identifier=VIN,
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        await client.subscribe(f"v/{VIN}/down/#", qos=1)
        for qos in (0, 1, 2):
            await client.publish(f"v/{VIN}/up/json", READING, qos=qos)
        door.push(mqtt.encode_command(COMMAND, VIN, door.sessions[-1]).data)
        async with asyncio.timeout(10):
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                assert json.loads(message.payload)["id"] == "a" * 32
                break
        await door.until(1, PUBACK)
    assert len(await door.until(3, PUBLISH)) == 3
    assert len(await door.until(1, CONNECT)) == 1
