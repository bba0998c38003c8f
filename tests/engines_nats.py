"""The real ``nats-server`` for tests, in a test's own directory, killed and started at will."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from motorcade.log import engine
from motorcade.log.config import Config

__all__ = ["Nats", "until"]

_READY_S = 20.0


class Nats:
    """A server of our own; ``async with Nats(tmp_path) as nats``."""

    def __init__(
        self,
        directory: Path,
        config: engine.Config | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.engine = engine.EmbeddedNats(directory / "nats", config)
        self._wrapper = list(wrapper)
        self._process: subprocess.Popen[bytes] | None = None

    def config(self, **changes: object) -> Config:
        """Log settings for this server."""
        settings: dict[str, object] = {
            "url_file": str(self.engine.url_file),
            "directory": str(self.engine.directory),
            "bytes_max": 1 << 30,
            "disk_reserve_bytes": 0,
            "heartbeat_s": 0.5,
        }
        return Config(**{**settings, **changes})  # type: ignore[arg-type]

    async def start(self) -> None:
        """Start, and return when it serves."""
        self.engine.prepare()
        self._launch()
        await until(self.engine.ready, _READY_S)

    def _launch(self) -> None:
        self._process = subprocess.Popen(
            [*self._wrapper, *self.engine.command()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    async def __aenter__(self) -> Nats:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()


async def until(true: Callable[[], Awaitable[object]], within_s: float = 15.0) -> None:
    """Ask again and again until the answer is true; ``TimeoutError`` after ``within_s``."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not await true():
        if loop.time() > deadline:
            raise TimeoutError("it never became true")
        await asyncio.sleep(0.01)
