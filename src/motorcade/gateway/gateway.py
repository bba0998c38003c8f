"""One gateway process: the doors of every protocol, what they share, starting and draining.

Several processes may listen on the same ports; each has its own connections. A vehicle that logs
in at one of them is named on the log's bus (``gateway.login``), so that the others close an
older link of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import secrets
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from types import ModuleType
from typing import Final

import msgspec
import structlog

from motorcade import protocols
from motorcade.clock import Clock, SystemClock
from motorcade.errors import MotorcadeError
from motorcade.gateway.bridge.bridge import Bridge
from motorcade.gateway.budget import Budget
from motorcade.gateway.config import BEARERS, Config, ListenerConfig
from motorcade.gateway.directory import Directory, VehicleCache
from motorcade.gateway.downlink import Downlinks
from motorcade.gateway.links import LOST_SUBJECT, Links
from motorcade.gateway.listener import Listener, parse_address
from motorcade.gateway.metrics import Metrics
from motorcade.gateway.peers import Peer
from motorcade.gateway.quarantine import Quarantine
from motorcade.gateway.satellite import SatelliteDownlink
from motorcade.gateway.shared import Closable, Log, Settings, Shared
from motorcade.limits import GATEWAY_SPARE_DESCRIPTORS
from motorcade.log.downlink import down_subject
from motorcade.tasks import ended

__all__ = ["Gateway", "LOGIN_SUBJECT"]

LOGIN_SUBJECT: Final = "gateway.login"
"""Where gateways tell each other who logged in."""

_SWEEP_S: Final = 1.0
_log = structlog.get_logger(__name__)


class _Hint(msgspec.Struct, array_like=True):
    """Vehicles that logged in at a gateway at a time; the later login wins, the greater name on
    a tie."""

    gateway: str
    at_us: int
    vehicles: list[int]
    protocol: str = ""
    """Which listener's links; empty for every one's, as gateways before 0.2 say it."""
    bearer: str = ""
    """Over what; empty for any."""


class Gateway:
    """The gateway role of one process. ``start`` it inside a running loop; uvloop's is the fast
    one."""

    def __init__(
        self,
        config: Config,
        log: Log,
        directory: Directory,
        clock: Clock | None = None,
        *,
        name: str = "",
        find: Callable[[str], ModuleType] | None = None,
    ) -> None:
        self.name = name or secrets.token_hex(4)
        self.config = config
        self._find = find or protocols.find
        self._listeners: list[Listener] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._hints: set[asyncio.Task[None]] = set()
        self._open: list[Closable] = []
        self._bridges: list[Bridge] = []
        self.addresses: dict[str, list[tuple[str, int]]] = {}
        self.metrics = Metrics(self.name)
        clock = clock or SystemClock()
        self.links = Links(self.name, log, clock, self.metrics)
        self.links.named = lambda: chain.from_iterable(
            listener.linked.links() for listener in self._listeners
        )
        self._shared = Shared(
            name=self.name,
            config=config,
            log=log,
            directory=directory,
            clock=clock,
            budget=Budget(config.pending_bytes_max, config.receive_buffer_bytes, self._peers),
            metrics=self.metrics,
            quarantine=Quarantine(
                log.quarantine, config.quarantined_per_s_max, clock, self.metrics
            ),
            settings=Settings(),
            vehicles=VehicleCache(config.vehicles_cached_max, config.vehicle_cache_s),
            links=self.links,
            hint=self._tell,
        )

    async def start(self) -> None:
        """Read the settings and open the doors; ``addresses`` tells where.

        Raises ``Invalid`` for an address that cannot be listened on, ``DependencyError`` where
        registry or log do not answer.
        """
        await self._refresh()
        log = self._shared.log
        self._open.append(await log.subscribe(LOGIN_SUBJECT, self._told))
        self._open.append(await log.subscribe(LOST_SUBJECT, self.links.told_lost))
        downlinks = Downlinks(self.links, lambda: self._listeners)
        subject = down_subject(self.links.incarnation)
        self._open.append(await log.serve(subject, downlinks.answer))
        self.links.began()
        slots = connections_max(self.config.connections_max)
        for name, rules in self.config.listeners().items():
            protocol = self._find(name)
            listener = Listener(name, protocol, _at_home(rules, protocol), self._shared, slots)
            if rules.mt_gateway:
                host, port = parse_address(rules.mt_gateway)
                listener.ground = SatelliteDownlink(host, port, self._shared.clock)
            self.addresses[name] = await listener.start()
            self._listeners.append(listener)
        for name, bridge in self.config.bridges.items():
            self._bridges.append(Bridge(name, bridge, self._shared))
            self._bridges[-1].start()
        self._measure()
        run = asyncio.get_running_loop().create_task
        self._tasks = [
            run(self._every(_SWEEP_S, self._sweep)),
            run(self._every(self.config.settings_interval_s, self._refresh)),
        ]

    async def drain_and_stop(self) -> None:
        """Accept nobody any more, answer what is on its way, close every connection."""
        for listener in self._listeners:
            listener.stop_accepting()
        await asyncio.gather(*(bridge.stop() for bridge in self._bridges))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.drain_timeout_s):
                for listener in self._listeners:
                    await listener.drained()
        for listener in self._listeners:
            listener.stop()
            await listener.conversation.logins.stop()
        for fault in await ended(*self._tasks, *self._hints):
            _log.error("a task of the gateway had ended by a fault", error=repr(fault))
        await self._shared.quarantine.flush()
        for listener in self._listeners:
            await listener.linked.settled()
            if listener.ground is not None:
                await listener.ground.close()
        await self.links.flush(self.config.drain_timeout_s)
        for one in self._open:
            with contextlib.suppress(MotorcadeError):
                await one.close()

    def metrics_text(self) -> str:
        """This process's metrics in Prometheus' text format."""
        return self.metrics.text()

    @property
    def connections(self) -> int:
        """Open connections."""
        return sum(listener.table.count for listener in self._listeners)

    @property
    def sessions(self) -> int:
        """Peers that are logged in."""
        return sum(listener.table.sessions() for listener in self._listeners)

    def _peers(self) -> Iterable[Peer]:
        return chain.from_iterable(listener.peers() for listener in self._listeners)

    def _measure(self) -> None:
        budget = self._shared.budget
        self.metrics.gauges.update(
            {
                "connections": ("Open connections", lambda: self.connections),
                "sessions": ("Peers logged in", lambda: self.sessions),
                "pending_bytes": ("Received and not yet stored", lambda: budget.pending),
                "unread": ("Whether sockets are left unread", lambda: float(budget.full)),
                "bridges_connected": (
                    "Brokers subscribed to now",
                    lambda: sum(bridge.connected for bridge in self._bridges),
                ),
                "bridge_messages": (
                    "Messages taken from brokers since the start",
                    lambda: sum(bridge.intake.received for bridge in self._bridges),
                ),
                "events_waiting": (
                    "Events of links not yet in the log",
                    lambda: self.links.waiting,
                ),
                "kept_bytes": (
                    "Unfinished frames and bytes behind pending logins",
                    lambda: sum(listener.table.kept_bytes for listener in self._listeners),
                ),
            }
        )

    async def _every(self, seconds: float, work: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                result = work()
                if asyncio.iscoroutine(result):
                    await result
            except MotorcadeError as error:
                self.metrics.unstored[error.code] += 1
            except Exception:
                _log.exception("a periodic job of the gateway failed")

    async def _sweep(self) -> None:
        for listener in self._listeners:
            try:
                listener.sweep()
            except Exception:
                # Whoever is not heard of is given up with all its links.
                _log.exception("the rules of a listener failed", listener=listener.name)
        await self.links.say_alive()
        await self._shared.quarantine.flush()

    async def _refresh(self) -> None:
        """Take the tenants' settings again if their stamp changed."""
        directory, settings = self._shared.directory, self._shared.settings
        stamp = await directory.settings_stamp()
        if stamp != settings.stamp:
            settings.take(stamp, await directory.gateway_settings())

    def _tell(self, protocol: str, bearer: str, vehicles: Sequence[int], at_us: int) -> None:
        """Name new logins to the other gateways; a lost hint leaves an old link to its idle
        timeout."""
        payload = msgspec.msgpack.encode(_Hint(self.name, at_us, list(vehicles), protocol, bearer))
        task = asyncio.get_running_loop().create_task(self._publish(payload))
        self._hints.add(task)
        task.add_done_callback(self._hints.discard)

    async def _publish(self, payload: bytes) -> None:
        with contextlib.suppress(MotorcadeError):
            await self._shared.log.publish(LOGIN_SUBJECT, payload)

    async def _told(self, _subject: str, payload: bytes) -> None:
        """Another gateway has a vehicle that may have an older link here."""
        try:
            hint = msgspec.msgpack.decode(payload, type=_Hint)
        except msgspec.DecodeError:
            return
        if hint.gateway == self.name:
            return
        for listener in self._listeners:
            if hint.protocol not in ("", listener.name):
                continue
            table = listener.table
            for slot in table.links_of(hint.vehicles):
                peer = table.peer[slot]
                older = (int(table.login_us[slot]), self.name) < (hint.at_us, hint.gateway)
                same = hint.bearer in ("", BEARERS[int(table.bearer[slot])])
                if peer is not None and older and same:
                    listener.close(peer, "replaced")
            # Also of those that were closed just now.
            listener.linked.elsewhere(hint.vehicles, hint.bearer, hint.at_us)


def connections_max(wanted: int) -> int:
    """Connections this process may hold: ``wanted``, or what the descriptor limit leaves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard and (hard == resource.RLIM_INFINITY or soft < wanted):
        most = wanted + 2 * GATEWAY_SPARE_DESCRIPTORS
        raised = most if hard == resource.RLIM_INFINITY else min(hard, most)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, raised), hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, soft - GATEWAY_SPARE_DESCRIPTORS))


def _at_home(rules: ListenerConfig, protocol: ModuleType) -> ListenerConfig:
    """The rules with the protocol's own port where none is named."""
    if rules.listen or rules.tls_listen or rules.udp_listen:
        return rules
    return msgspec.structs.replace(rules, listen=f"0.0.0.0:{protocol.DEFAULT_PORT}")
