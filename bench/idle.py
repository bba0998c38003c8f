"""The whole platform idle: its memory by process, and how soon it is ready at the second start."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from motorcade.simulator.figures import Figure

__all__ = ["run"]

_SETTLE_S = 5.0
_READY_WITHIN_S = 120.0


def run(quick: bool = False) -> list[Figure]:
    """Start, stop, start again; measure the second start and, settled, the proportional memory."""
    with tempfile.TemporaryDirectory(prefix="motorcade-bench-") as folder:
        first_s, _ = _started(Path(folder), settle_s=0)
        second_s, memory = _started(Path(folder), settle_s=1.0 if quick else _SETTLE_S)
    total = sum(memory.values())
    return [
        Figure(name="platform.first_start", value=round(first_s, 2), unit="s"),
        Figure(
            name="platform.second_start",
            value=round(second_s, 2),
            unit="s",
            target="<= 10",
            met=second_s <= 10,
        ),
        *(
            Figure(name=f"platform.idle_memory.{name}", value=round(size), unit="MB (PSS)")
            for name, size in sorted(memory.items())
        ),
        Figure(
            name="platform.idle_memory",
            value=round(total),
            unit="MB (PSS)",
            target="<= 800",
            met=total <= 800,
        ),
    ]


def _started(data: Path, *, settle_s: float) -> tuple[float, dict[str, float]]:
    """Seconds until ready, and megabytes by process name once settled."""
    ports = ("api.listen", "gateway.gbt32960.listen", "gateway.jt808.listen", "gateway.mqtt.listen")
    settings = [f"{port}=127.0.0.1:0" for port in (*ports, "gateway.jt808.udp_listen")]
    options = [word for setting in settings for word in ("--set", setting)]
    log = data / "up.log"
    began = time.monotonic()
    with log.open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "motorcade", "up", "--data", str(data), *options],
            stdout=output,
            stderr=output,
        )
    try:
        while "Ctrl-C stops it" not in log.read_text():
            if up.poll() is not None or time.monotonic() - began > _READY_WITHIN_S:
                raise RuntimeError(f"the platform did not start:\n{log.read_text()}")
            time.sleep(0.02)
        ready_s = time.monotonic() - began
        time.sleep(settle_s)
        return ready_s, _memory(psutil.Process(up.pid))
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)


def _memory(supervisor: psutil.Process) -> dict[str, float]:
    """Proportional set size (shared pages counted once) in MB by what a process is."""
    sizes: dict[str, float] = {}
    for process in [supervisor, *supervisor.children(recursive=True)]:
        words = process.cmdline()
        text = " ".join(words)
        roles = ("gateway", "worker", "api", "nats", "postgres")
        name = "supervisor"
        if process.pid != supervisor.pid:
            name = next(
                (role for role in roles if f" {role} " in text or role in words[0]), "other"
            )
        pss = process.memory_full_info().pss / 1e6
        sizes[name] = sizes.get(name, 0.0) + pss
    return sizes
