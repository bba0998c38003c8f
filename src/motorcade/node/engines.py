"""The embedded engines as children of the supervisor, and the settings that point at them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, Final

from motorcade.node.supervise import Child

__all__ = ["nats_child", "postgres_child"]

_NATS_MEMORY: Final = "256MiB"
"""Where Go's collector begins to work harder (a soft bound, nothing fails at it). Without one the
server grew to 650 MiB in 40 s of 280,000 reports/s, all of it garbage: with it, as fast in 254."""


def nats_child(data: Path) -> tuple[Child, dict[str, Any]]:
    """``nats-server`` on ``<data>/nats`` and the ``[log]`` keys that reach it."""
    from motorcade.log.engine import EmbeddedNats

    engine = EmbeddedNats(data / "nats")
    child = Child(
        name="nats",
        command=engine.command,
        prepare=engine.prepare,
        ready=engine.ready,
        log_file=data / "logs" / "nats.log",
        stop_s=15.0,
        environment={"GOMEMLIMIT": _NATS_MEMORY},
    )
    return child, {"url_file": str(engine.url_file), "directory": str(engine.directory)}


def postgres_child(data: Path) -> tuple[Child, dict[str, Any]]:
    """PostgreSQL on ``<data>/postgres`` and the ``[fleet]`` keys that reach it."""
    from motorcade.fleet.engine import EmbeddedPostgres

    engine = EmbeddedPostgres(data / "postgres")

    async def ready() -> bool:
        return engine.ready()

    child = Child(
        name="postgres",
        command=engine.command,
        prepare=engine.prepare,
        ready=ready,
        log_file=data / "logs" / "postgres.log",
        stop_signal=signal.SIGINT,
        stop_s=20.0,
        ready_s=90.0,
    )
    return child, {"url": engine.app_url, "owner_url": engine.url}
