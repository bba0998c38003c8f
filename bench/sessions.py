"""What an idle session costs, and how fast vehicles log in: 15,000 on one gateway process."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from collections.abc import Sequence
from pathlib import Path

import psutil

from motorcade.gateway.config import Config, ListenerConfig
from motorcade.gateway.gateway import Gateway
from motorcade.log.config import Config as LogConfig
from motorcade.log.engine import EmbeddedNats
from motorcade.log.log import Log
from motorcade.simulator.drive import Links, Plan, cut_gbt32960
from motorcade.simulator.figures import Figure

sys.path.insert(0, str(Path(__file__).parent))
from ingest import login, vins

__all__ = ["run"]

_WARM = 1_000
"""Sessions opened before the first measurement: what a process loads once is not a session's."""


def run(quick: bool = False) -> list[Figure]:
    """A gateway process with the real log and a registry in memory (the registry's own speed is
    measured elsewhere); this process holds the vehicles' ends."""
    count = 4_000 if quick else 15_000
    with tempfile.TemporaryDirectory(prefix="motorcade-bench-") as data:
        engine = EmbeddedNats(Path(data) / "nats")
        engine.prepare()
        nats = subprocess.Popen(
            engine.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        serve = [sys.executable, __file__, str(engine.url_file), str(engine.directory)]
        gateway = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        try:
            if gateway.stdout is None:
                raise RuntimeError("the gateway has no output to read its port from")
            return _measure(int(gateway.stdout.readline()), psutil.Process(gateway.pid), count)
        finally:
            for process in (gateway, nats):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def _measure(port: int, process: psutil.Process, count: int) -> list[Figure]:
    names = vins(_WARM + count)
    warm = _links(port, names[:_WARM])
    warm.connect()
    time.sleep(1.5)
    before, cpu = process.memory_full_info().uss, sum(process.cpu_times()[:2])
    links = _links(port, names[_WARM:])
    seconds = links.connect()
    cpu = sum(process.cpu_times()[:2]) - cpu
    time.sleep(1.5)
    each = (process.memory_full_info().uss - before) / count
    greeted = links.greeted
    for one in (links, warm):
        one.close()
    rate = greeted / seconds
    return [
        Figure(name="sessions.held", value=greeted, unit="sessions", met=greeted == count),
        Figure(
            name="sessions.bytes_each",
            value=round(each),
            unit="bytes",
            target="<= 2048",
            met=each <= 2048 and greeted == count,
        ),
        Figure(
            name="sessions.logins",
            value=round(rate),
            unit="logins/s",
            target=">= 5000",
            met=rate >= 5000,
        ),
        Figure(name="sessions.login_cpu", value=round(cpu / count * 1e6), unit="µs"),
    ]


def _links(port: int, names: Sequence[bytes]) -> Links:
    plan = Plan(
        host="127.0.0.1",
        port=port,
        hellos=[login(vin) for vin in names],
        rounds=_nothing,
        cut=cut_gbt32960,
    )
    return Links(plan, 0, len(names))


def _nothing(_number: int, _first: int, count: int) -> Sequence[bytes]:
    return [b""] * count


_Known = namedtuple("_Known", "vehicle tenant vin")


class _Registry:
    """Every VIN is registered; its number is its vehicle."""

    async def resolve(self, names: Sequence[str], *, register: bool = True) -> dict[str, _Known]:
        return {vin: _Known(int(vin[8:]) + 1, int(vin[1:3]) + 1, vin) for vin in names}

    async def platform_login(self, user: str, password: str) -> int | None:
        return None

    async def gateway_settings(self) -> dict[int, object]:
        return {}

    async def settings_stamp(self) -> int:
        return 0


async def _serve(url_file: str, directory: str) -> None:
    log = await Log.connect(LogConfig(url_file=url_file, directory=directory))
    off = ListenerConfig()
    config = Config(gbt32960=ListenerConfig(listen="127.0.0.1:0"), jt808=off, mqtt=off)
    gateway = Gateway(config, log, _Registry())
    await gateway.start()
    gc.collect()
    gc.freeze()
    sys.stdout.write(f"{gateway.addresses['gbt32960'][0][1]}\n")
    sys.stdout.flush()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await gateway.drain_and_stop()
    await log.close()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(*sys.argv[1:]))
