"""The roles: each wires the rooms it needs from the settings and runs until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import structlog

from motorcade.addresses import shown_address
from motorcade.clock import SystemClock
from motorcade.errors import Invalid, MotorcadeError
from motorcade.node.config import Settings
from motorcade.node.lossy import LossyText
from motorcade.node.platform import serve_until_signalled
from motorcade.node.retention import Retention
from motorcade.node.rooms import (
    ApiConfig,
    CommandsConfig,
    FleetConfig,
    ForwardingConfig,
    GatewayConfig,
    HistoryConfig,
    LogConfig,
    NodeConfig,
    SessionsConfig,
    TwinConfig,
)
from motorcade.node.run_files import RoleFile
from motorcade.tasks import ended

if TYPE_CHECKING:
    from motorcade.fleet.registry import Fleet
    from motorcade.log.log import Log
    from motorcade.node.apps import WorkerApps
    from motorcade.node.forwarding import WorkerForwarding
    from motorcade.node.worker import PartitionWorker
    from motorcade.signals.catalogue import Catalogue

__all__ = ["run_api", "run_gateway", "run_role", "run_worker"]

_ALIVE_EVERY_S: Final = 1.0
_METRICS_TIMEOUT_S: Final = 1.0
_WORKER_NICENESS: Final = 5

Role = Callable[[Settings, int, asyncio.Event, Callable[[dict[str, Any]], None]], Awaitable[None]]


def run_role(role: Role, settings: Settings, index: int) -> None:
    """Run one role in this process, on uvloop, until Ctrl-C or a polite kill."""
    import uvloop

    name = role.__name__.removeprefix("run_")
    _log_to_stdout(settings.node)
    uvloop.run(_run(role, name, settings, index))


async def _run(role: Role, name: str, settings: Settings, index: int) -> None:
    stopping = asyncio.Event()
    status = RoleFile(settings.data, name, index)
    signalled = asyncio.create_task(serve_until_signalled(stopping))
    alive = asyncio.create_task(_say_alive(status))
    log = structlog.get_logger(name)

    def serving(facts: dict[str, Any]) -> None:
        # What was made while starting stays; collecting it over and over would cost latency.
        gc.collect()
        gc.freeze()
        status.write({"role": name, "index": index, **facts})
        log.info("serving", **facts)

    try:
        await role(settings, index, stopping, serving)
    except MotorcadeError as error:
        log.error("ended", code=error.code, detail=error.detail)
        raise
    finally:
        status.remove()
        await ended(alive, signalled)
        log.info("stopped")


async def run_gateway(
    settings: Settings,
    index: int,
    stopping: asyncio.Event,
    serving: Callable[[dict[str, Any]], None],
) -> None:
    """The gateway role: listeners, sessions, acknowledgements."""
    from motorcade.gateway.gateway import Gateway

    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        log = await _connect_log(stack, settings, f"gateway-{index}")
        fleet = await _connect_fleet(stack, settings)
        gateway = Gateway(settings.get(GatewayConfig), log, fleet, clock, name=f"gateway-{index}")
        await gateway.start()
        stack.push_async_callback(gateway.drain_and_stop)
        await _serve_metrics(stack, log, f"gateway.{index}", gateway.metrics_text)
        listeners = {
            name: [shown_address(*address) for address in addresses]
            for name, addresses in gateway.addresses.items()
        }
        serving({"listeners": listeners})
        await stopping.wait()


async def run_worker(
    settings: Settings,
    index: int,
    stopping: asyncio.Event,
    serving: Callable[[dict[str, Any]], None],
) -> None:
    """The worker role: twin, history and apps of the partitions that are this worker's."""
    from motorcade.history.maintenance import Maintenance
    from motorcade.node.worker import WorkerMetrics
    from motorcade.node.worker import run_worker as follow
    from motorcade.signals.catalogue import load_catalogue
    from motorcade.twin.reader import TwinReader

    _yield_to_gateways()
    clock, catalogue = SystemClock(), load_catalogue()
    twin_folder, history_folder = settings.data / "twin", settings.data / "history"
    async with contextlib.AsyncExitStack() as stack:
        log = await _connect_log(stack, settings, f"worker-{index}")
        own = [p for p in range(log.partitions) if p % settings.node.workers == index]
        with_registry = bool(settings.get(FleetConfig).url)
        forwarding = _forwarding(settings, log, catalogue, own, index)
        kept_from = forwarding.kept_from if with_registry else lambda _: None
        workers = _partition_workers(settings, log, catalogue, own, kept_from)
        apps = _apps(settings, log, catalogue, own)
        metrics = WorkerMetrics(workers)
        figures = [lambda: metrics.render().decode(), apps.render, forwarding.render]
        await _serve_metrics(
            stack, log, f"worker.{index}", lambda: "".join(one() for one in figures)
        )
        retention = _retention(settings)
        await stack.enter_async_context(retention.refreshed())
        maintenance = Maintenance(
            history_folder,
            clock,
            settings.get(HistoryConfig),
            retention_days=retention,
            failed=_tell_unmaintained,
        )
        await follow(
            workers,
            TwinReader(twin_folder, log.partitions, catalogue, only=own),
            stopping,
            beside=[maintenance.run, *([apps.run, forwarding.run] if with_registry else [])],
            serving=lambda: serving({"partitions": own}),
        )


async def run_api(
    settings: Settings,
    index: int,
    stopping: asyncio.Event,
    serving: Callable[[dict[str, Any]], None],
) -> None:
    """The API role: HTTP for people and programs."""
    from motorcade.api.serve import ApiServer
    from motorcade.api.services import Services
    from motorcade.history.reader import HistoryReader
    from motorcade.history.tail_request import subject
    from motorcade.protocols import find, names
    from motorcade.signals.catalogue import load_catalogue
    from motorcade.twin.reader import TwinReader

    clock, catalogue, data = SystemClock(), load_catalogue(), settings.data
    async with contextlib.AsyncExitStack() as stack:
        log = await _connect_log(stack, settings, f"api-{index}")
        fleet = await _connect_fleet(stack, settings)
        history = HistoryReader(
            data / "history",
            log.partitions,
            catalogue,
            clock,
            lambda partition, payload: log.request(subject(partition), payload),
            config=settings.get(HistoryConfig),
        )
        stack.callback(history.close)
        server = ApiServer(
            Services(
                fleet=fleet,
                log=log,
                twin=TwinReader(data / "twin", log.partitions, catalogue),
                history=history,
                catalogue=catalogue,
                clock=clock,
                config=settings.get(ApiConfig),
                forwarding=settings.get(ForwardingConfig),
                protocols={name: frozenset(find(name).SIGNALS) for name in names()},
                metrics=lambda: _gather_metrics(log, settings.node),
            )
        )
        await server.start()
        stack.push_async_callback(server.stop)
        serving({"http": server.address})
        ended = asyncio.create_task(server.wait())
        await asyncio.wait(
            {ended, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED
        )


async def _connect_log(stack: contextlib.AsyncExitStack, settings: Settings, name: str) -> Log:
    import msgspec

    from motorcade.log.log import Log

    config = settings.get(LogConfig)
    if not config.url and not config.url_file:
        raise Invalid("log.url is not set, and nothing runs here; start with `motorcade up`")
    log = await Log.connect(msgspec.structs.replace(config, name=name), SystemClock())
    stack.push_async_callback(log.close)
    return log


async def _connect_fleet(stack: contextlib.AsyncExitStack, settings: Settings) -> Fleet:
    from motorcade.fleet.registry import Fleet

    config = settings.get(FleetConfig)
    if not config.url:
        raise Invalid("fleet.url is not set, and nothing runs here; start with `motorcade up`")
    fleet = await Fleet.connect(config, SystemClock())
    stack.push_async_callback(fleet.close)
    return fleet


def _partition_workers(
    settings: Settings,
    log: Log,
    catalogue: Catalogue,
    own: Sequence[int],
    kept_from: Callable[[int], int | None],
) -> list[PartitionWorker]:
    from motorcade.history.writer import HistoryWriter
    from motorcade.node.worker import PartitionWorker
    from motorcade.twin.writer import TwinWriter

    clock, folder, config = SystemClock(), settings.data / "history", settings.get(HistoryConfig)
    workers = []
    for partition in own:
        twin = TwinWriter(settings.data / "twin", partition, log.partitions, catalogue)
        start = twin.position
        history = HistoryWriter(folder, partition, catalogue, clock, config, position=start)
        workers.append(
            PartitionWorker(
                partition, log, twin, history, settings.get(TwinConfig), clock.now_us, kept_from
            )
        )
    return workers


def _apps(settings: Settings, log: Log, catalogue: Catalogue, own: Sequence[int]) -> WorkerApps:
    from motorcade.apps.commands.worker import CommandsWorker
    from motorcade.apps.sessions.service import SessionsService
    from motorcade.apps.sessions.store import SessionStore
    from motorcade.node.apps import TwinAnswers, WorkerApps
    from motorcade.twin.reader import TwinReader

    clock, twin = SystemClock(), settings.data / "twin"
    readers = {p: TwinReader(twin, log.partitions, catalogue, only=[p]) for p in own}
    answers = TwinAnswers(readers, log.partitions)

    def commands(fleet: Fleet, sessions: SessionsService) -> CommandsWorker:
        return CommandsWorker(
            fleet.store,
            log,
            sessions,
            catalogue,
            clock=clock,
            partitions=own,
            config=settings.get(CommandsConfig),
            select=answers.select,
            reported=answers.reported,
        )

    return WorkerApps(
        log,
        own,
        clock,
        lambda: _registry(settings),
        sessions=lambda fleet: SessionsService(
            log, SessionStore(fleet.store), clock, settings.get(SessionsConfig)
        ),
        commands=commands,
    )


def _forwarding(
    settings: Settings, log: Log, catalogue: Catalogue, own: Sequence[int], index: int
) -> WorkerForwarding:
    from motorcade.apps.forwarding.service import Forwarding
    from motorcade.apps.forwarding.store import Forwarders
    from motorcade.node.forwarding import WorkerForwarding

    clock = SystemClock()

    def make(fleet: Fleet) -> Forwarding:
        return Forwarding(
            log,
            Forwarders(fleet.store, clock),
            catalogue,
            clock,
            settings.get(ForwardingConfig),
            partitions=own,
            index=index,
            # A worker without a partition runs nothing.
            workers=min(settings.node.workers, log.partitions),
        )

    return WorkerForwarding(lambda: _registry(settings), make)


def _retention(settings: Settings) -> Retention:
    default_days = settings.get(HistoryConfig).retention_days
    if not settings.get(FleetConfig).url:
        return Retention(default_days, None)
    return Retention(default_days, lambda: _registry(settings))


@contextlib.asynccontextmanager
async def _registry(settings: Settings) -> AsyncIterator[Fleet]:
    async with contextlib.AsyncExitStack() as stack:
        yield await _connect_fleet(stack, settings)


def _yield_to_gateways() -> None:
    """Let the gateways run first where the cores are short: an acknowledgement waits for them.

    Measured with both cores full: p99 of an acknowledgement 35 instead of 42 ms. Each role is a
    session of its own, and Linux weighs sessions (autogroups) before it weighs processes.
    """
    with contextlib.suppress(OSError):
        os.nice(_WORKER_NICENESS)
        Path("/proc/self/autogroup").write_text(str(_WORKER_NICENESS))


def _tell_unmaintained(tenant: int, error: MotorcadeError) -> None:
    structlog.get_logger("worker").error("not maintained", tenant=tenant, detail=error.detail)


async def _serve_metrics(
    stack: contextlib.AsyncExitStack, log: Log, name: str, text: Callable[[], str]
) -> None:
    async def answer(_: bytes) -> bytes:
        return text().encode()

    served = await log.serve(f"metrics.{name}", answer)
    stack.push_async_callback(served.close)


async def _gather_metrics(log: Log, node: NodeConfig) -> str:
    """The figures of the other roles, one text; a role that does not answer is left out."""

    async def one(name: str) -> str:
        try:
            return (await log.request(f"metrics.{name}", b"", _METRICS_TIMEOUT_S)).decode()
        except MotorcadeError:
            return ""

    names = [f"gateway.{i}" for i in range(node.gateways)]
    names += [f"worker.{i}" for i in range(node.workers)]
    return "".join(await asyncio.gather(*map(one, names)))


async def _say_alive(status: RoleFile) -> None:
    while True:
        status.touch()
        await asyncio.sleep(_ALIVE_EVERY_S)


def _log_to_stdout(node: NodeConfig) -> None:
    level = logging.getLevelNamesMapping().get(node.log_level.upper())
    if level is None:
        raise Invalid(f"node.log_level: {node.log_level!r} is not debug, info, warning or error")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, LossyText(sys.stdout.fileno()))),
    )
