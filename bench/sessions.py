"""What an idle session costs, and how fast vehicles log in: 15,000 on one gateway, by protocol."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import psutil

from motorcade.gateway.config import Config, ListenerConfig
from motorcade.gateway.gateway import Gateway
from motorcade.log.config import Config as LogConfig
from motorcade.log.engine import EmbeddedNats
from motorcade.log.log import Log
from motorcade.protocols.jt808.encode import encode
from motorcade.protocols.jt808.words import AUTH
from motorcade.protocols.mqtt.encode import encode_connect, encode_subscribe
from motorcade.protocols.mqtt.words import V3
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
    return [
        *_bench("gbt32960", count, 2_048),
        *_bench("mqtt", count, 2_500),
        *_bench("jt808", count, 2_500),
    ]


def _bench(protocol: str, count: int, bytes_max: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="motorcade-bench-") as data:
        engine = EmbeddedNats(Path(data) / "nats")
        engine.prepare()
        nats = subprocess.Popen(
            engine.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        serve = [sys.executable, __file__, str(engine.url_file), str(engine.directory), protocol]
        gateway = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        try:
            if gateway.stdout is None:
                raise RuntimeError("the gateway has no output to read its port from")
            port = int(gateway.stdout.readline())
            return _measure(protocol, port, psutil.Process(gateway.pid), count, bytes_max)
        finally:
            for process in (gateway, nats):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def _measure(
    protocol: str, port: int, process: psutil.Process, count: int, bytes_max: int
) -> list[Figure]:
    names = vins(_WARM + count)
    warm = _links(protocol, port, names[:_WARM])
    warm.connect()
    time.sleep(1.5)
    before, cpu = process.memory_full_info().uss, sum(process.cpu_times()[:2])
    links = _links(protocol, port, names[_WARM:])
    seconds = links.connect()
    cpu = sum(process.cpu_times()[:2]) - cpu
    time.sleep(1.5)
    each = (process.memory_full_info().uss - before) / count
    greeted = links.greeted
    for one in (links, warm):
        one.close()
    rate, wanted = greeted / seconds, 5_000 if protocol == "gbt32960" else 1_500
    name = "sessions" if protocol == "gbt32960" else f"sessions.{protocol}"
    return [
        Figure(name=f"{name}.held", value=greeted, unit="sessions", met=greeted == count),
        Figure(
            name=f"{name}.bytes_each",
            value=round(each),
            unit="bytes",
            target=f"<= {bytes_max}",
            met=each <= bytes_max and greeted == count,
        ),
        Figure(
            name=f"{name}.logins",
            value=round(rate),
            unit="logins/s",
            target=f">= {wanted}",
            met=rate >= wanted,
        ),
        Figure(name=f"{name}.login_cpu", value=round(cpu / count * 1e6), unit="µs"),
    ]


def _links(protocol: str, port: int, names: Sequence[bytes]) -> Links:
    hello, cut = _HELLOS[protocol]
    plan = Plan(
        host="127.0.0.1",
        port=port,
        hellos=[hello(vin) for vin in names],
        rounds=_nothing,
        cut=cut,
    )
    return Links(plan, 0, len(names))


def _nothing(_number: int, _first: int, count: int) -> Sequence[bytes]:
    return [b""] * count


def _mqtt(vin: bytes) -> bytes:
    """A clean session that hears commands, as an idle car has one."""
    name = vin.decode()
    return encode_connect(name, version=V3, keep_alive_s=0) + encode_subscribe(name, version=V3)


def _cut_mqtt(data: bytes) -> tuple[int, int]:
    """CONNACK and SUBACK are one answer together."""
    return (1, len(data)) if b"\x90\x03" in data else (0, 0)


def _jt808(vin: bytes) -> bytes:
    return encode(AUTH, _phone(vin), _CODE)


def _cut_jt808(data: bytes) -> tuple[int, int]:
    return data.count(b"\x7e") // 2, len(data)


def _phone(vin: bytes) -> str:
    return f"1{vin[1:3].decode()}{vin[8:].decode()}"


_CODE = b"ABCDEFGHIJKLMNOP"

_HELLOS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], tuple[int, int]]]] = {
    "gbt32960": (login, cut_gbt32960),
    "mqtt": (_mqtt, _cut_mqtt),
    "jt808": (_jt808, _cut_jt808),
}

_Known = namedtuple("_Known", "vehicle tenant vin secrets key", defaults=((), b""))


class _Registry:
    """Every VIN is registered; its number is its vehicle."""

    async def resolve(self, names: Sequence[str], *, register: bool = True) -> dict[str, _Known]:
        return {vin: _Known(int(vin[8:]) + 1, int(vin[1:3]) + 1, vin) for vin in names}

    async def identify(
        self,
        kind: str,
        values: Sequence[str],
        *,
        register: bool = True,
        terminals: Mapping[str, str] | None = None,
    ) -> dict[str, _Known]:
        if kind == "vin":
            return await self.resolve(values)
        secrets = (sha256(_CODE).digest(),)
        return {
            phone: _Known(int(phone[3:]) + 1, int(phone[1:3]) + 1, f"LBENCH{phone[1:]}", secrets)
            for phone in values
        }

    async def kept_sessions(self, protocol: str, vehicles: Sequence[int]) -> dict[int, bytes]:
        return {}

    async def keep_sessions(self, protocol: str, sessions: Sequence[object]) -> None:
        return None

    async def platform_login(self, user: str, password: str) -> int | None:
        return None

    async def gateway_settings(self) -> dict[int, object]:
        return {}

    async def settings_stamp(self) -> int:
        return 0


async def _serve(url_file: str, directory: str, protocol: str) -> None:
    log = await Log.connect(LogConfig(url_file=url_file, directory=directory))
    rules = {name: ListenerConfig() for name in _HELLOS}
    rules[protocol] = ListenerConfig(listen="127.0.0.1:0", credentials="optional")
    config = Config(**rules)
    gateway = Gateway(config, log, _Registry())
    await gateway.start()
    gc.collect()
    gc.freeze()
    sys.stdout.write(f"{gateway.addresses[protocol][0][1]}\n")
    sys.stdout.flush()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await gateway.drain_and_stop()
    await log.close()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(*sys.argv[1:]))
