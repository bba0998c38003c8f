"""The embedded server: private files, a port that stays, health that notices a full disk."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engines_nats import Nats
from motorcade.clock import SystemClock
from motorcade.errors import DependencyError
from motorcade.log.engine import Config, EmbeddedNats, nats_server_binary
from motorcade.log.log import Log

pytestmark = pytest.mark.engines


def _port(engine: EmbeddedNats) -> int:
    return urlsplit(engine.url).port or 0


def _works(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_the_binary_comes_from_the_wheel() -> None:
    said = subprocess.run([nats_server_binary(), "--version"], capture_output=True, check=True)
    assert said.stdout.startswith(b"nats-server")


def test_there_is_no_url_before_the_first_prepare(tmp_path: Path) -> None:
    with pytest.raises(DependencyError):
        _ = EmbeddedNats(tmp_path).url


def test_prepare_keeps_port_and_secret_and_hides_them(tmp_path: Path) -> None:
    engine = EmbeddedNats(tmp_path / "nats")
    engine.prepare()
    url = engine.url
    engine.prepare()
    assert engine.url == url
    for name in ("nats.conf", "url"):
        assert stat.S_IMODE((engine.directory / name).stat().st_mode) == 0o600


def test_a_taken_port_is_given_up(tmp_path: Path) -> None:
    engine = EmbeddedNats(tmp_path / "nats")
    engine.prepare()
    port = _port(engine)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        engine.prepare()
    assert _port(engine) != port


def test_a_configured_port_is_used(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine = EmbeddedNats(tmp_path / "nats", Config(port=port))
    engine.prepare()
    assert _port(engine) == port


async def test_ready_says_no_quickly_where_nothing_runs(tmp_path: Path) -> None:
    engine = EmbeddedNats(tmp_path / "nats")
    assert not await engine.ready()
    engine.prepare()
    async with asyncio.timeout(1.5):
        assert not await engine.ready()


async def test_the_server_wants_the_secret(nats: Nats) -> None:

    reader, writer = await asyncio.open_connection("127.0.0.1", _port(nats.engine))
    assert (await reader.readline()).startswith(b"INFO")
    writer.write(b'CONNECT {"verbose":false,"user":"motorcade","pass":"guess"}\r\nPING\r\n')
    assert b"Authorization Violation" in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_server_left_behind_is_ended_by_the_next_prepare(tmp_path: Path) -> None:
    async with Nats(tmp_path) as nats:
        pid = nats.engine.pid_file.read_text()
        port = _port(nats.engine)
        second = Nats(tmp_path)
        await second.start()
        assert second.engine.pid_file.read_text() != pid
        assert _port(second.engine) == port
        second.kill()


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("unshare") is None, reason="needs a private mount"
)
async def test_a_full_disk_is_noticed(tmp_path: Path) -> None:
    """After ENOSPC a stream takes nothing more, while the server answers everything else."""
    small = tmp_path / "nats"
    seed = tmp_path / "seed"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=24m tmpfs {small} && cp -a {seed}/. {small} && exec "
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if not _works([*inside, "true"]):
        pytest.skip("private mounts are not allowed here")
    nats = Nats(tmp_path, wrapper=[*inside, mount + '"$@"', "sh"])
    nats.engine.prepare()
    shutil.copytree(small, seed)
    await nats.start()
    config = nats.config(append_timeout_s=1.0, publish_timeout_s=0.5, directory="")
    log = await Log.connect(config)
    clock = SystemClock()
    stored = 0
    with contextlib.suppress(DependencyError):
        for _ in range(64):
            deadline = clock.monotonic_s() + 1.0
            stored = await log._appending.store(0, bytes(1 << 20), deadline)
    assert 10 < stored < 30
    assert "no space" in await nats.engine.trouble()
    assert not await nats.engine.ready()
    assert await log.last_sequence(0) == stored
    await log.close()
    nats.kill()
