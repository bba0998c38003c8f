"""A whole platform for a test: `motorcade up` as a child process on a folder and free ports."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

__all__ = ["FREE_PORTS", "RunningPlatform", "command", "running_platform"]

FREE_PORTS = (
    "api.listen=127.0.0.1:0",
    "gateway.gbt32960.listen=127.0.0.1:0",
    "gateway.jt808.listen=127.0.0.1:0",
    "gateway.jt808.udp_listen=127.0.0.1:0",
    "gateway.mqtt.listen=127.0.0.1:0",
)
"""Settings that move every door that is open by default to a free port."""


def command(*arguments: str) -> list[str]:
    """The `motorcade` command line of this source tree."""
    return [sys.executable, "-m", "motorcade", *arguments]


class RunningPlatform:
    """A running `motorcade up`: where it listens, its processes, its command line."""

    def __init__(self, data: Path, process: subprocess.Popen[bytes]) -> None:
        self.data = data
        self.process = process

    @property
    def http(self) -> str:
        """The API's address, as a URL without a path."""
        return str(self.role("api")["http"])

    @property
    def gbt32960(self) -> tuple[str, int]:
        """Host and port of the GB/T 32960 listener."""
        return self.door("gbt32960")

    def door(self, protocol: str, place: int = 0) -> tuple[str, int]:
        """Host and port of a protocol's listener, TCP before UDP."""
        host, _, port = self.role("gateway")["listeners"][protocol][place].rpartition(":")
        return host, int(port)

    def role(self, name: str, index: int = 0) -> dict[str, Any]:
        """What a role's process says of itself."""
        return dict(json.loads((self.data / "run" / f"{name}-{index}.json").read_bytes()))

    def pid(self, name: str) -> int:
        """The process of a role, or of the engine `nats` or `postgres`."""
        if name == "nats":
            return int((self.data / "nats" / "nats.pid").read_text() or 0)
        if name == "postgres":
            file = self.data / "postgres" / "data" / "postmaster.pid"
            return int(file.read_text().split()[0])
        return int(self.role(name)["pid"])

    def running(self, name: str) -> psutil.Process | None:
        """The process of a role or engine if it runs now, and is of this platform."""
        try:
            found = psutil.Process(self.pid(name))
            return found if self._is_ours(found) else None
        except (psutil.Error, OSError, ValueError, IndexError):
            return None

    def send(self, name: str, number: signal.Signals) -> bool:
        """Send a role or engine a signal; false where it does not run just now."""
        found = self.running(name)
        if found is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            found.send_signal(number)
            return True
        return False

    def _is_ours(self, process: psutil.Process) -> bool:
        return any(parent.pid == self.process.pid for parent in process.parents())

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `motorcade` command against this platform."""
        done = subprocess.run(
            command("--data", str(self.data), *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check:
            assert done.returncode == 0, done.stderr + done.stdout
        return done

    def key(self, role: str, tenant: str | None = None) -> str:
        """A fresh API key."""
        whose = ["--tenant", tenant] if tenant else []
        done = self.cli("key", "create", "--role", role, *whose, "--json")
        return str(json.loads(done.stdout)["key"])

    def stop(self, timeout_s: float = 60.0) -> int:
        """Ctrl-C; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout_s)

    def output(self) -> str:
        """What it printed so far."""
        return (self.data / "up.log").read_text(errors="replace")


@contextmanager
def running_platform(
    data: Path, settings: Sequence[str] = (), *, ready_s: float = 90.0
) -> Iterator[RunningPlatform]:
    """Start `motorcade up` on `data` with free ports; end it, and what is left, afterwards."""
    data.mkdir(parents=True, exist_ok=True)
    given = [*FREE_PORTS, *settings]
    options = [word for setting in given for word in ("--set", setting)]
    with (data / "up.log").open("wb") as log:
        process = subprocess.Popen(
            command("up", "--data", str(data), *options),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={k: v for k, v in os.environ.items() if not k.startswith("MOTORCADE_")},
        )
    platform = RunningPlatform(data, process)
    try:
        _until_ready(platform, ready_s)
        yield platform
    finally:
        try:
            platform.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_ready(platform: RunningPlatform, ready_s: float) -> None:
    deadline = time.monotonic() + ready_s
    while time.monotonic() < deadline:
        if "Ctrl-C stops it" in platform.output():
            return
        assert platform.process.poll() is None, platform.output()
        time.sleep(0.05)
    raise AssertionError(f"not ready within {ready_s} s:\n{platform.output()}")
