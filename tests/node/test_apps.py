"""A worker's apps: there once PostgreSQL is, and fed from the log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engines import start_postgres
from engines_nats import Nats, until
from motorcade.apps.commands.bulk import Chosen
from motorcade.apps.sessions.config import Config as SessionsConfig
from motorcade.apps.sessions.service import SessionsService
from motorcade.apps.sessions.store import SessionStore
from motorcade.clock import SystemClock
from motorcade.errors import DependencyError
from motorcade.fleet.config import Config
from motorcade.fleet.engine import EmbeddedPostgres
from motorcade.fleet.registry import Fleet
from motorcade.log.events import LinkUp
from motorcade.log.log import Log
from motorcade.node import apps as apps_module
from motorcade.node.apps import TwinAnswers, WorkerApps
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue
from motorcade.twin.reader import TwinReader
from motorcade.twin.writer import TwinWriter

pytestmark = pytest.mark.engines

LINK = LinkUp(
    vehicle=2,
    tenant=1,
    link="gateway-0.1/jt808/1",
    incarnation="gateway-0.1",
    protocol="jt808",
    bearer="nr",
    address="192.0.2.1:9",
    epoch=1,
    at_us=1,
)


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    engine = start_postgres(tmp_path)
    yield engine
    engine.stop()


async def test_apps_start_when_postgresql_is_there_and_begin_anew_after_a_fault(
    tmp_path: Path, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps_module, "_FAULT_PAUSE_S", 0.05)
    tries = 0
    config = Config(url=postgres.app_url, owner_url=postgres.url)
    await Fleet.migrate(config)
    async with Nats(tmp_path) as nats:
        log = await Log.connect(nats.config(partitions=2))

        @contextlib.asynccontextmanager
        async def connect() -> AsyncIterator[Fleet]:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise DependencyError("not yet")
            if tries == 2:
                raise ZeroDivisionError
            fleet = await Fleet.connect(config, SystemClock())
            try:
                yield fleet
            finally:
                await fleet.close()

        clock = SystemClock()
        apps = WorkerApps(
            log,
            [0, 1],
            clock,
            connect,
            sessions=lambda fleet: SessionsService(
                log, SessionStore(fleet.store), clock, SessionsConfig()
            ),
        )
        assert "motorcade_apps_faults_total 0" in apps.render()
        running = asyncio.create_task(apps.run())
        await log.post(0, [LINK])

        async def told() -> bool:
            return await log.last_sequence(0) > 0

        await until(told)
        async with log.consume(0, 0) as records:
            (batch,) = (await anext(records)).batches
        assert (batch.kind, batch.numpy("vehicle").tolist()) == ("link", [2])

        async def shown() -> bool:
            return 'motorcade_events_position{partition="0"} 1.0' in apps.render()

        await until(shown)
        assert "motorcade_sessions_online 1.0" in apps.render()
        assert "motorcade_apps_faults_total 1" in apps.render()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await log.close()
    assert tries == 3


async def test_the_twin_answers_what_commands_ask(tmp_path: Path) -> None:
    catalogue = load_catalogue()
    writer = TwinWriter(tmp_path, 1, 2, catalogue)
    vehicles = np.array([1, 3, 5], np.uint64)
    meta = {
        "tenant": np.array([1, 1, 2], np.uint32),
        "vehicle": vehicles,
        "event_time": np.full(3, 1_750_000_000_000_000),
        "ingest_time": np.full(3, 1_750_000_000_000_000),
        "record": vehicles,
        "reissued": np.zeros(3, np.bool_),
    }
    signals = {"Vehicle.Speed": pa.array([10.0, 90.0, 90.0], pa.float32())}
    writer.apply([SignalBatch.build("report", meta, signals)])
    answers = TwinAnswers({1: TwinReader(tmp_path, 2, catalogue, only=[1])}, 2)
    fast = Chosen(where="Vehicle.Speed > 50")
    assert answers.select(1, 1, fast, 0, 10) == [3]
    assert answers.select(1, 1, fast, 3, 10) == []
    assert answers.select(1, 2, fast, 0, 10) == [5]
    assert await answers.reported(3, 1, ["Vehicle.Speed"]) == {"Vehicle.Speed": 90.0}
    assert await answers.reported(3, 2, ["Vehicle.Speed"]) == {}
    writer.close()
