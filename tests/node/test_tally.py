"""What became of a demo's reports, with the real log and real tables: stored, waiting, or gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines_nats import Nats
from motorcade.clock import SystemClock
from motorcade.history.writer import HistoryWriter
from motorcade.log.log import Log
from motorcade.node.config import load
from motorcade.node.run_files import DataLock
from motorcade.node.tally import Tally, tally
from motorcade.signals.catalogue import load_catalogue
from node.test_worker import batch

pytestmark = pytest.mark.engines


async def test_what_no_worker_took_is_in_the_log(tmp_path: Path) -> None:
    catalogue = load_catalogue()
    history = HistoryWriter(tmp_path / "history", 0, catalogue, SystemClock())
    async with Nats(tmp_path) as nats:
        log = await Log.connect(nats.config(partitions=1))
        for number in range(3):
            said = batch(catalogue, number)
            sequence = await log.append(0, [said])
            if number == 0:
                history.add(sequence, [said])
        await log.append(0, [said])  # cars that were not answered send again
        await history.commit()
        await log.close()
    settings = load(None, {}, [f"node.data={tmp_path}", "log.partitions=1"])
    assert await tally(settings, 0, 50) == Tally(50)
    assert await tally(settings, 0, 150) == Tally(50, 100)
    lock = DataLock(tmp_path)
    lock.acquire("motorcade up")
    try:
        assert "motorcade up" in (await tally(settings, 0, 150)).trouble
    finally:
        lock.release()
