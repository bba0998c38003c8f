"""Simulated cars of any protocol at a platform of the bench's own, as `motorcade load` has them."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from motorcade.simulator.figures import Figure

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))
from ingest import bare_rate
from platforms import RunningPlatform, running_platform

__all__ = ["cpu", "ingest", "loaded", "platform"]

_CONNECTIONS = 2_000
_TENANTS = 8


@contextmanager
def platform(settings: Sequence[str] = ()) -> Iterator[RunningPlatform]:
    """``motorcade up`` on a directory of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="motorcade-bench-") as name,
        running_platform(Path(name) / "data", settings) as running,
    ):
        yield running


def loaded(running: RunningPlatform, protocol: str, **options: Any) -> dict[str, Any]:
    """The report of one `motorcade load`; ``options`` as the command has them."""
    given = {"vehicles": _CONNECTIONS, "tenants": _TENANTS, "rate": 0, **options}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    done = running.cli("load", "--protocol", protocol, "--json", *words)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def ingest(protocol: str, target: int, *, to_sink: float, quick: bool) -> list[Figure]:
    """Acknowledged frames a second over 2,000 connections, one and ten a send; latency at 15,000
    a second; what the processes spend for a frame. Beside it what a bare sink and GB/T 32960 do in
    the same minute: a machine that is busy with other things is slow for all of them."""
    seconds = 4 if quick else 30
    name = f"ingest.{protocol}"
    bare = [bare_rate(seconds)]
    with platform() as running:
        loaded(running, "gbt32960", seconds=1)
        older = loaded(running, "gbt32960", seconds=seconds)
        loaded(running, protocol, seconds=1)
        used = [cpu(running)]
        short = loaded(running, protocol, seconds=1)
        used.append(cpu(running))
        full = loaded(running, protocol, seconds=seconds)
        used.append(cpu(running))
        even = loaded(running, protocol, seconds=seconds, rate=15_000)
        many = loaded(running, protocol, seconds=seconds, **{"frames-per-send": 10})
    bare.append(bare_rate(seconds))
    ratio = full["acknowledged_per_s"] / (sum(bare) / len(bare))
    rate, lost = full["acknowledged_per_s"], full["lost"] + full["refused"]
    # What a short run spends is logging in; the difference is what frames cost.
    per_frame = 1e6 / max(1, full["acknowledged"] - short["acknowledged"])
    spent = {role: used[2][role] - 2 * used[1][role] + used[0][role] for role in used[0]}
    spent["load"] = full["cpu_s"] - short["cpu_s"]
    return [
        Figure(
            name=f"{name}.one_frame",
            value=round(rate),
            unit="frames/s",
            target=f">= {target}",
            met=rate >= target and lost == 0,
        ),
        Figure(
            name=f"{name}.to_sink",
            value=round(ratio, 3),
            unit="ratio",
            target=f">= {to_sink}",
            met=ratio >= to_sink and lost == 0,
        ),
        Figure(name=f"{name}.sink", value=round(sum(bare) / len(bare)), unit="frames/s"),
        Figure(name=f"{name}.gbt32960", value=round(older["acknowledged_per_s"]), unit="frames/s"),
        Figure(name=f"{name}.ten_frames", value=round(many["acknowledged_per_s"]), unit="frames/s"),
        Figure(name=f"{name}.lost", value=lost, unit="frames", target="0", met=lost == 0),
        Figure(name=f"{name}.p50_at_15000", value=even["p50_ms"], unit="ms"),
        Figure(name=f"{name}.p99_at_15000", value=even["p99_ms"], unit="ms"),
        Figure(name=f"{name}.logins", value=full["logins_per_s"], unit="logins/s"),
        *(
            Figure(name=f"{name}.{role}_cpu", value=round(cost * per_frame, 1), unit="µs/frame")
            for role, cost in sorted(spent.items())
        ),
    ]


def cpu(running: RunningPlatform) -> dict[str, float]:
    """CPU seconds so far of each role and engine."""
    spent: dict[str, float] = {}
    for role in ("gateway", "worker", "api", "nats", "postgres"):
        process = running.running(role)
        if process is None:
            continue
        for one in [process, *process.children(recursive=True)]:
            try:
                times = one.cpu_times()
            except psutil.Error:
                continue
            spent[role] = spent.get(role, 0.0) + times.user + times.system
    return spent
