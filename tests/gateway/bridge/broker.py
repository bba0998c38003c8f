"""The real Mosquitto in a test's own folder, stopped and started at will, and publishers at it."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

__all__ = ["BINARY", "Broker", "publish_all"]

BINARY = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Broker:
    """``async with Broker(folder) as broker``: ``broker.url``; keeps what it has over ``stop`` and
    ``start``. ``settings`` are further lines of its configuration."""

    def __init__(self, folder: Path, settings: Sequence[str] = (), scheme: str = "mqtt") -> None:
        self._folder = folder / "mosquitto"
        self._folder.mkdir()
        self.port = _free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"user {pwd.getpwuid(os.getuid()).pw_name}",
            "persistence true",
            f"persistence_location {self._folder}/",
            "max_queued_messages 0",
            "allow_anonymous true",
            f"listener {self.port} 127.0.0.1",
            *settings,
        ]
        (self._folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    async def start(self) -> None:
        """Start, and return when it listens."""
        self._launch()
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self._process is not None
                    assert self._process.poll() is None, (self._folder / "log").read_text()
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    def _launch(self) -> None:
        assert BINARY is not None
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [BINARY, "-c", str(self._folder / "mosquitto.conf")], stdout=log, stderr=log
        )
        log.close()

    def stop(self) -> None:
        """Ask it to stop; what it has is written to its file."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    async def __aenter__(self) -> Broker:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()


async def publish_all(
    broker: Broker, messages: Sequence[tuple[str, bytes]], version: Any = paho.MQTTv5
) -> None:
    """Publish with QoS 1; returns when the broker has acknowledged every one, over as many
    connections as it takes."""

    def drive() -> None:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, "fleet", protocol=version)
        client.reconnect_delay_set(0.1, 0.2)
        client.max_inflight_messages_set(100)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        sent = [client.publish(topic, payload, 1) for topic, payload in messages]
        for one in sent:
            one.wait_for_publish(30)
        client.disconnect()
        client.loop_stop()

    await asyncio.to_thread(drive)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
