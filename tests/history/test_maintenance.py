"""The tables stay small and fast by themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from motorcade.errors import CorruptionError, MotorcadeError
from motorcade.history.maintenance import Maintenance
from motorcade.history.table import TelemetryTable

START_US = 1_750_032_000_000_000
DAY_US = 86_400_000_000


def files(world: Any, tenant: int = 1) -> list[Path]:
    return sorted((world.directory / str(tenant) / "telemetry").glob("*.parquet"))


async def test_small_files_are_merged(make_world: Callable[..., Any], make_batch: Any) -> None:
    world = make_world(compact_fan_in=4)
    for sequence in range(1, 18):
        world.writer.add(sequence, [make_batch([7, 8], [START_US + sequence] * 2, tenant=[1, 2])])
        await world.writer.commit()
        if sequence % 4 == 0:
            await world.maintenance.run_once()
    for tenant in (1, 2):
        table = DeltaTable(world.directory / str(tenant) / "telemetry")
        assert table.count() == 17
        assert len(table.file_uris()) <= 5


async def test_a_query_that_began_before_a_merge_ends_well(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(compact_fan_in=4, vacuum_every_s=0.0, snapshot_age_max_s=1e9)
    for sequence in range(1, 5):
        world.writer.add(sequence, [make_batch([7], [START_US + sequence])])
        await world.writer.commit()
    reader = world.another_reader()
    await reader.query(1, 8)
    assert len(await world.maintenance.run_once()) == 1
    assert (await reader.query(1, 7)).table.num_rows == 4
    reader.close()


async def test_old_days_go_by_the_tenants_own_number(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(retention_days=1)
    for day in range(4):
        batch = make_batch([7, 8], [START_US + day * DAY_US] * 2, tenant=[1, 2])
        world.writer.add(2 * day + 1, [batch])
        world.writer.add(2 * day + 2, [make_batch([9], [START_US + day * DAY_US], tenant=3)])
        await world.writer.commit()
    days = {1: 2, 2: 0}  # nobody knows yet what tenant 3 wants
    maintenance = Maintenance(world.directory, world.clock, world.config, retention_days=days.get)
    await maintenance.run_once()
    reader = world.another_reader()
    world.clock.advance(1000)
    world.restart(position=8)
    assert (await reader.query(1, 7)).table.num_rows == 3
    assert (await reader.query(2, 8)).table.num_rows == 4
    assert (await reader.query(3, 9)).table.num_rows == 4
    reader.close()


async def test_files_of_a_crash_and_replaced_ones_are_removed(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(compact_fan_in=2, vacuum_every_s=10.0)
    for sequence in (1, 2):
        world.writer.add(sequence, [make_batch([7], [START_US + sequence])])
        await world.writer.commit()
    orphan = world.directory / "1" / "telemetry" / "part-orphan.zstd.parquet"
    orphan.write_bytes(b"half a file")
    await world.maintenance.run_once()
    assert len(files(world)) == 4
    os.utime(orphan, (0, 0))
    world.clock.advance(11)
    await world.maintenance.run_once()
    assert orphan not in files(world)
    assert len(files(world)) == 3  # replaced files stay for queries that still read them


async def test_one_process_maintains_a_table(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(compact_fan_in=2)
    for sequence in (1, 2):
        world.writer.add(sequence, [make_batch([7], [START_US + sequence])])
        await world.writer.commit()
    with TelemetryTable(world.directory, 1).locked("maintenance.lock"):
        assert await world.maintenance.run_once() == []
    assert len(await world.maintenance.run_once()) == 1


async def test_a_damaged_table_does_not_hold_up_the_others(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(compact_fan_in=2)
    for sequence in (1, 2):
        batch = make_batch([7, 8], [START_US + sequence] * 2, tenant=[1, 2])
        world.writer.add(sequence, [batch])
        await world.writer.commit()
    files(world, 1)[0].write_bytes(b"damaged")
    told: list[tuple[int, MotorcadeError]] = []
    maintenance = Maintenance(
        world.directory,
        world.clock,
        world.config,
        failed=lambda tenant, error: told.append((tenant, error)),
    )
    assert len(await maintenance.run_once()) == 1
    assert [(tenant, type(error)) for tenant, error in told] == [(1, CorruptionError)]


async def test_whatever_one_table_raises_the_others_are_maintained(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(compact_fan_in=2)
    for sequence in (1, 2):
        batch = make_batch([7, 8], [START_US + sequence] * 2, tenant=[1, 2])
        world.writer.add(sequence, [batch])
        await world.writer.commit()
    told: list[tuple[int, MotorcadeError]] = []

    def days(tenant: int) -> int:
        if tenant == 1:
            raise ArithmeticError("as asked")
        return 0

    maintenance = Maintenance(
        world.directory,
        world.clock,
        world.config,
        retention_days=days,
        failed=lambda tenant, error: told.append((tenant, error)),
    )
    assert len(await maintenance.run_once()) == 1
    assert [(tenant, error.detail) for tenant, error in told] == [(1, "ArithmeticError: as asked")]


async def test_logs_are_checkpointed(world: Any, make_batch: Any) -> None:
    for sequence in range(1, 103):
        world.writer.add(sequence, [make_batch([7], [START_US + sequence], signals=[])])
        await world.writer.commit()
    log = world.directory / "1" / "telemetry" / "_delta_log"
    assert list(log.glob("*.checkpoint.parquet"))
    assert TelemetryTable(world.directory, 1).position(0) == 102
