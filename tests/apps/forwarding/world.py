"""A registry, a log and a forwarding worker on real engines, and peers that do as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from motorcade.apps.forwarding.config import Config
from motorcade.apps.forwarding.parcel import Surroundings
from motorcade.apps.forwarding.rules import Rule, check_rule, split
from motorcade.apps.forwarding.service import Forwarding
from motorcade.apps.forwarding.store import Forwarder, Forwarders, State
from motorcade.clock import SystemClock
from motorcade.fleet.registry import Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue, load_catalogue

__all__ = ["SPEED", "Answer", "Hook", "World", "eventually", "vin"]

SPEED = "Vehicle.Speed"
QUICK = Config(
    allow_private_addresses=True,
    linger_ms=10,
    rules_every_s=0.05,
    retry_first_s=0.05,
    retry_max_s=0.2,
    timeout_s=2.0,
)


def vin(number: int) -> str:
    """The VIN of a test's vehicle."""
    return f"LMTFWD0000{number:07d}"


async def eventually(check: Callable[[], Any], timeout_s: float = 15.0) -> Any:
    """Ask again and again until ``check()`` (maybe awaitable) is true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        value = check()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert loop.time() < deadline, "it never came true"
        await asyncio.sleep(0.01)


class World:
    """``tenant`` has ``vehicles`` numbers by VIN; ``report`` writes to the log; ``start`` and
    ``stop`` a forwarding worker."""

    def __init__(self, fleet: Fleet, log: Log) -> None:
        self.fleet = fleet
        self.log = log
        self.clock = SystemClock()
        self.catalogue: Catalogue = load_catalogue()
        self.store = Forwarders(fleet.store, self.clock)
        self.config = QUICK
        self.tenants: dict[str, int] = {}
        self.vehicles: dict[str, int] = {}
        self._records = 0
        self._running: list[tuple[Forwarding, asyncio.Task[None]]] = []

    async def tenant(self, name: str, vehicles: int, first: int = 1, **more: Any) -> int:
        """A tenant with vehicles ``vin(first)`` and on."""
        number = (await self.fleet.create_tenant(name)).number
        vins = [vin(one) for one in range(first, first + vehicles)]
        await self.fleet.add_vehicles(number, [NewVehicle(vin=one, **more) for one in vins])
        self.vehicles.update(await self.fleet.numbers_of(number, vins))
        self.tenants[name] = number
        return number

    async def forwarder(
        self, tenant: str, name: str, kind: str, target: Mapping[str, Any], **rule: Any
    ) -> Forwarder:
        """A checked forwarder, as the API makes one."""
        wanted, secrets = split(Rule(kind=kind, target=dict(target), **rule))
        check_rule(wanted, secrets, self.catalogue, self.config)
        return await self.store.create(self.tenants[tenant], name, wanted, secrets, paused=False)

    async def state(self, tenant: str, name: str) -> State:
        """As it was told last."""
        return (await self.store.forwarder(self.tenants[tenant], name))[1]

    def start(self, index: int = 0, workers: int = 1) -> Forwarding:
        """A worker of all partitions."""
        own = [p for p in range(self.log.partitions) if p % workers == index]
        made = Forwarding(
            self.log,
            self.store,
            self.catalogue,
            self.clock,
            self.config,
            partitions=own,
            index=index,
            workers=workers,
        )
        self._running.append((made, asyncio.create_task(made.run())))
        return made

    async def stop(self) -> None:
        """End the workers."""
        for _, task in self._running:
            task.cancel()
        for _, task in self._running:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._running.clear()

    async def ready(self, forwarder: Forwarder) -> None:
        """Wait until the workers put for a forwarder."""
        await eventually(
            lambda: all(
                forwarder.id in channels
                for one, _ in self._running
                for channels in [pump._channels for pump in one._pumps.values()]
            )
        )

    async def report(
        self,
        tenant: str,
        vins: Sequence[str],
        signals: Mapping[str, Sequence[Any]],
        *,
        kind: str = "report",
        time_us: int | None = None,
        reissued: bool = False,
    ) -> None:
        """A row a VIN; event times grow by a second a row and call."""
        for partition in range(self.log.partitions):
            rows = [
                i for i, v in enumerate(vins) if self.vehicles[v] % self.log.partitions == partition
            ]
            if rows:
                batch = self.batch(
                    tenant,
                    [vins[i] for i in rows],
                    {path: [values[i] for i in rows] for path, values in signals.items()},
                    kind=kind,
                    time_us=time_us,
                    reissued=reissued,
                )
                await self.log.append(partition, [batch])

    def batch(
        self,
        tenant: str,
        vins: Sequence[str],
        signals: Mapping[str, Sequence[Any]],
        *,
        kind: str = "report",
        time_us: int | None = None,
        reissued: bool = False,
    ) -> SignalBatch:
        """Rows as a gateway would log them."""
        count = len(vins)
        self._records += count
        now = self.clock.now_us()
        at = now // 1_000_000 * 1_000_000 if time_us is None else time_us
        meta = {
            "tenant": np.full(count, self.tenants[tenant], np.uint32),
            "vehicle": np.array([self.vehicles[one] for one in vins], np.uint64),
            "event_time": np.full(count, at, np.int64),
            "ingest_time": np.full(count, now, np.int64),
            "record": np.arange(self._records - count, self._records, dtype=np.uint64),
            "reissued": np.full(count, reissued),
        }
        columns = {
            path: pa.array(values, self.catalogue[path].arrow_type)
            for path, values in signals.items()
        }
        return SignalBatch.build(kind, meta, columns)

    def around(self, tenant: str, name: str = "test", **changes: Any) -> Surroundings:
        """What a sender is given."""
        return Surroundings(
            tenant=self.tenants[tenant],
            tenant_name=tenant,
            name=name,
            catalogue=self.catalogue,
            clock=self.clock,
            config=msgspec.structs.replace(self.config, **changes),
            log=self.log,
        )


class Answer:
    """What a hook answers with."""

    def __init__(
        self,
        status: int = 202,
        headers: Mapping[str, str] | None = None,
        stall_s: float = 0.0,
        chunk: bytes = b"",
        chunk_s: float = 0.0,
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self.stall_s = stall_s
        self.chunk = chunk
        """Sent again and again as the body, ``chunk_s`` apart, until the client leaves."""
        self.chunk_s = chunk_s


class Hook:
    """A real HTTP server; ``answers`` are given one after the other, then 202 for ever."""

    def __init__(self, port: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.answers: list[Answer] = []
        self.chunks = 0
        """How many of an endless body were sent."""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                if len(body) < length:  # whoever sent it was killed in the middle
                    self.close_connection = True
                    return
                answer = hook.answers.pop(0) if hook.answers else Answer()
                if answer.stall_s:
                    hook._stopped.wait(answer.stall_s)
                hook.bodies.append(body)
                hook.headers.append({k.lower(): v for k, v in self.headers.items()})
                hook.paths.append(self.path)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.chunk:
                    self.send_header("transfer-encoding", "chunked")
                    self.end_headers()
                    self.close_connection = True
                    hook._endless(self.wfile, answer)
                    return
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def _endless(self, out: Any, answer: Answer) -> None:
        with contextlib.suppress(OSError):
            while not self._stopped.wait(answer.chunk_s):
                out.write(b"%x\r\n%s\r\n" % (len(answer.chunk), answer.chunk))
                self.chunks += 1

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events received, in order."""
        return [event for body in self.bodies for event in json.loads(body)]

    def close(self) -> None:
        """End the server."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
