"""The registry's hot paths: a million vehicles in, logins by the batch, search and keys."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np

from motorcade.clock import SystemClock
from motorcade.fleet.engine import EmbeddedPostgres
from motorcade.fleet.registry import Config, Fleet
from motorcade.fleet.settings import TenantSettings
from motorcade.fleet.vehicles import VehicleFilter
from motorcade.fleet.vin import build
from motorcade.simulator.figures import Figure

__all__ = ["run"]

BATCH = 100
"""VINs in one ``resolve``: what a gateway gathers in a tick at some thousand logins a second."""


def run(quick: bool = False) -> list[Figure]:
    """Figures on a fresh embedded PostgreSQL; ``quick`` imports 50,000 vehicles, else a million."""
    with tempfile.TemporaryDirectory() as folder:
        engine = EmbeddedPostgres(Path(folder) / "postgres")
        engine.start()
        try:
            return asyncio.run(_measure(engine, Path(folder), 50_000 if quick else 1_000_000))
        finally:
            engine.stop()


async def _measure(engine: EmbeddedPostgres, folder: Path, count: int) -> list[Figure]:
    config = Config(url=engine.app_url, owner_url=engine.url)
    await Fleet.migrate(config)
    fleet = await Fleet.connect(config, SystemClock())
    await fleet.create_tenant("bench", TenantSettings(auto_register_wmi=("LFV",)))
    vins = build(np.random.default_rng(1), "LSV", count)
    path = folder / "vehicles.csv"
    lines = (f"{vin},Model {n % 9},A{n:06d},8986{n:016d},l{n % 5}" for n, vin in enumerate(vins))
    path.write_text("vin,model,plate,iccid,labels\n" + "\n".join(lines) + "\n", encoding="utf-8")
    figures = [await _import(fleet, path, count), await _refuse(fleet, path, count)]
    figures += await _logins(fleet, vins, build(np.random.default_rng(2), "LFV", 10_000))
    figures += await _questions(fleet, vins)
    await fleet.close()
    return figures


async def _import(fleet: Fleet, path: Path, count: int) -> Figure:
    begun = time.perf_counter()
    report = await fleet.import_vehicles(1, path)
    spent = time.perf_counter() - begun
    if report.added != count:
        raise RuntimeError(f"imported {report.added} of {count}")
    return Figure(
        name="import, seconds per million vehicles",
        value=spent / count * 1e6,
        unit="s",
        target="< 60",
        met=spent / count * 1e6 < 60,
    )


async def _refuse(fleet: Fleet, path: Path, count: int) -> Figure:
    """The same file again: every row is wrong, each is counted, none is stored."""
    begun = time.perf_counter()
    report = await fleet.import_vehicles(1, path)
    if report.error_count != count:
        raise RuntimeError(f"{report.error_count} errors of {count}")
    spent = (time.perf_counter() - begun) / count * 1e6
    return Figure(name="refusing a million known vehicles", value=spent, unit="s")


async def _logins(fleet: Fleet, known: list[str], new: list[str]) -> list[Figure]:
    picked = np.random.default_rng(3).choice(len(known), 20_000, replace=False)
    rates = []
    for vins in ([known[n] for n in picked], new):
        begun = time.perf_counter()
        for start in range(0, len(vins), BATCH):
            found = await fleet.resolve(vins[start : start + BATCH])
            if len(found) != BATCH:
                raise RuntimeError("a vehicle was not found")
        rates.append(len(vins) / (time.perf_counter() - begun))
    return [
        Figure(
            name=f"logins resolved, {what}, {BATCH} a batch",
            value=rate,
            unit="1/s",
            target=">= 5000",
            met=rate >= 5000,
        )
        for what, rate in zip(("known", "registered on the way"), rates, strict=True)
    ]


async def _questions(fleet: Fleet, vins: list[str]) -> list[Figure]:
    token = (await fleet.create_key(1, "reader")).token
    figures = []
    for name, call, times in (
        ("search for text anywhere, no match", lambda: _page(fleet, VehicleFilter(q="zzzz")), 5),
        ("search by VIN", lambda: _page(fleet, VehicleFilter(q=vins[77])), 200),
        ("page of 100", lambda: _page(fleet, VehicleFilter()), 200),
        ("vehicle by VIN", lambda: fleet.vehicle(1, vins[99]), 500),
        ("key verified again", lambda: fleet.verify_key(token), 5000),
        ("settings stamp", fleet.settings_stamp, 500),
    ):
        begun = time.perf_counter()
        for _ in range(times):
            await call()
        spent_ms = (time.perf_counter() - begun) / times * 1e3
        figures.append(Figure(name=name, value=spent_ms, unit="ms"))
    return figures


async def _page(fleet: Fleet, where: VehicleFilter) -> None:
    await fleet.vehicles(1, where)
