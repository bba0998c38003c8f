"""The gateway's smaller parts by themselves: peer table, budget, caches, splitting, counting."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from gateway.world import Known, eventually
from motorcade.clock import SteerableClock
from motorcade.errors import DependencyError
from motorcade.gateway.budget import Budget
from motorcade.gateway.config import Config
from motorcade.gateway.directory import VehicleCache, vin_text
from motorcade.gateway.metrics import Histogram, Metrics
from motorcade.gateway.peers import NOBODY, TERMINAL, Peer, PeerTable
from motorcade.gateway.quarantine import Quarantine
from motorcade.gateway.shared import Settings
from motorcade.gateway.store import split
from motorcade.signals.batch import SignalBatch


class Transport:
    """Counts what a peer does to its socket."""

    def __init__(self) -> None:
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return ("192.0.2.1", 4000)

    def write(self, data: bytes) -> None:
        raise RuntimeError("the handle is closed")


def peer(role: int = TERMINAL) -> Peer:
    made = Peer(SimpleNamespace(table=SimpleNamespace(role=[role])))  # type: ignore[arg-type]
    made.transport = Transport()  # type: ignore[assignment]
    return made


def test_slots_are_given_again_and_forget_who_was_there() -> None:
    table = PeerTable(4)
    first, second = peer(), peer()
    table.add(first, 1.0)
    table.add(second, 1.0)
    table.sign_on(first.slot, TERMINAL, 7, 123)
    table.drives(first.slot, 42, b"LMT")
    assert table.links_of([42, 43]) == []  # a connection beside its link
    table.link[first.slot] = 1
    assert table.links_of([42, 43]) == [first.slot]
    assert table.sessions() == 1
    slot = first.slot
    table.remove(first)
    assert first.slot == -1
    assert table.count == 1
    third = peer()
    table.add(third, 2.0)
    assert third.slot == slot
    assert table.role[slot] == NOBODY
    assert table.links_of([42]) == []


def test_kept_bytes_are_counted_once() -> None:
    table = PeerTable(2)
    one = peer()
    table.add(one, 1.0)
    table.keep(one, b"abc")
    assert (one.data, table.kept_bytes) == (b"abc", 3)
    chunks, one.data = [one.data + b"de"], b""
    assert table.take_kept([one], chunks) == 2
    assert table.kept_bytes == 0


def test_writing_to_a_connection_the_kernel_closed_is_harmless() -> None:
    one = peer()
    one.send(b"x")
    assert one.transport is None
    one.send(b"x")


async def test_a_spent_budget_wakes_everyone_again_in_turn() -> None:
    peers = [peer() for _ in range(50)]
    budget = Budget(1000, 100, lambda: peers)
    budget.pending = 1001
    budget.over(peers[0])
    assert budget.full
    assert not any(one.transport.reading for one in peers)  # type: ignore[union-attr]
    budget.finished(300)
    assert not any(one.transport.reading for one in peers)  # type: ignore[union-attr]
    budget.finished(701)
    assert 0 < sum(one.transport.reading for one in peers) < 50  # type: ignore[union-attr]
    await eventually(lambda: not budget.full)
    assert all(one.transport.reading for one in peers)  # type: ignore[union-attr]


async def test_while_waking_each_gets_one_read_a_turn() -> None:
    peers = [peer() for _ in range(50)]
    budget = Budget(1000, 100, lambda: peers)
    budget.pending = 1001
    budget.over(peers[0])
    budget.finished(1001)
    awake = next(one for one in peers if one.transport.reading)  # type: ignore[union-attr]
    budget.pending = 10
    budget.over(awake)
    assert not awake.transport.reading  # type: ignore[union-attr]
    late = peer()
    budget.joined(late)
    assert not late.transport.reading  # type: ignore[union-attr]


async def test_who_has_logged_in_is_woken_before_strangers() -> None:
    strangers = [peer(NOBODY) for _ in range(500)]
    cars = [peer() for _ in range(3)]
    budget = Budget(1000, 100, lambda: strangers + cars)
    budget.pending = 1001
    budget.over(strangers[0])
    budget.finished(1001)
    assert all(car.transport.reading for car in cars)  # type: ignore[union-attr]
    assert 0 < sum(one.transport.reading for one in strangers) < 10  # type: ignore[union-attr]


def test_remembered_vins_are_bounded_and_expire() -> None:
    cache = VehicleCache(4, ttl_s=10.0)
    known = {f"V{number}": Known(number, 1, f"V{number}") for number in range(9)}
    for number in range(9):
        cache.learn([b"V%d" % number], known, 0.0)
    assert len(cache) <= 4
    found = cache.get(b"V8", 5.0)
    assert found is not None
    assert found.vehicle == 8
    assert cache.get(b"V8", 11.0) is None
    cache.learn([b"NOBODY"], known, 0.0)
    nobody = cache.get(b"NOBODY", 1.0)
    assert nobody is not None
    assert nobody.vehicle == 0
    assert cache.get(b"NOBODY", 3.0) is None
    assert vin_text(b"LMT\0\0 ") == "LMT"


def test_rows_go_to_their_partition_in_order() -> None:
    vehicles = np.array([4, 1, 2, 3, 4, 1], np.uint64)
    meta = {
        "tenant": np.ones(6, np.uint32),
        "vehicle": vehicles,
        "event_time": np.arange(6),
        "ingest_time": np.arange(6),
        "record": vehicles,
        "reissued": np.zeros(6, bool),
    }
    batch = SignalBatch.build("report", meta, {"Vehicle.Speed": pa.array(np.arange(6.0))})
    parts = split([batch, batch.slice(0, 0)], 2)
    assert {part: [len(one) for one in batches] for part, batches in parts.items()} == {
        0: [3],
        1: [3],
    }
    assert parts[1][0].numpy("event_time").tolist() == [1, 3, 5]
    assert split([batch], 1)[0][0] is batch


async def test_quarantine_keeps_some_and_counts_the_rest() -> None:
    written: list[Any] = []
    metrics = Metrics("test")

    async def write(entries: Any) -> None:
        written.extend(entries)
        if len(written) > 2:
            raise DependencyError("away")

    quarantine = Quarantine(write, 2, SteerableClock(), metrics)
    piece = {"tenant": 1, "vin": "", "protocol": "p", "code": "c", "reason": "r"}
    for _ in range(5):
        quarantine.add(**piece, peer=peer(), data=bytes(5000))  # type: ignore[arg-type]
    await quarantine.flush()
    assert len(written) == 2
    assert (len(written[0].data), written[0].truncated, written[0].vin) == (4096, True, None)
    assert written[0].peer == "192.0.2.1:4000"
    assert metrics.quarantine_skipped == 3
    quarantine.add(**piece, peer=peer(), data=b"x")  # type: ignore[arg-type]
    await quarantine.flush()
    assert metrics.quarantine_skipped == 4


def test_histograms_are_cumulative_and_weighted() -> None:
    histogram = Histogram()
    histogram.observe(0.004, 10)
    histogram.observe(60.0)
    metrics = Metrics("test")
    metrics.append_s = histogram
    text = metrics.text()
    assert 'append_seconds_bucket{le="0.002"} 0.0' in text
    assert 'append_seconds_bucket{le="0.005"} 10.0' in text
    assert 'append_seconds_bucket{le="+Inf"} 11.0' in text


def test_tenants_decide_about_answers() -> None:
    class Choice(msgspec.Struct):
        acknowledge_reports: str | None = None

    settings = Settings()
    settings.take(1, {1: Choice("always"), 2: Choice("standard"), 3: Choice()})
    tenants = np.array([1, 2, 3, 4], np.uint32)
    assert settings.silent(tenants, "always").tolist() == [False, True, False, False]
    assert settings.silent(tenants, "standard").tolist() == [False, True, True, True]


def test_unknown_settings_are_errors() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"gbt32960": {"lissten": "x"}}, Config)


def test_a_vin_is_believed_longer_while_the_registry_is_away() -> None:
    cache = VehicleCache(8, ttl_s=10.0)
    cache.learn([b"A" * 17, b"B" * 17], {"A" * 17: Known(7, 3, "A" * 17)}, 0.0)
    assert cache.get(b"A" * 17, 11.0) is None
    assert cache.renew([b"A" * 17, b"B" * 17, b"C" * 17], 11.0) == [b"B" * 17, b"C" * 17]
    found = cache.get(b"A" * 17, 12.0)
    assert found is not None
    assert (found.vehicle, found.tenant) == (7, 3)
