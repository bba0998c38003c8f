"""Rows a forwarder wants, and how they read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from motorcade.apps.forwarding.choosing import Chooser
from motorcade.apps.forwarding.parcel import Name, Parcel
from motorcade.apps.forwarding.rendering import identities, records
from motorcade.apps.forwarding.rules import Filter, Rule
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import quality_codes

CATALOGUE = load_catalogue()
SPEED = "Vehicle.Speed"
STATE = "Vehicle.OperatingState"
HOOK = {"url": "https://example.com"}


def batch(kind: str = "report") -> SignalBatch:
    """Vehicles 1 to 6, odd ones of tenant 1, even ones of tenant 2."""
    numbers = np.arange(1, 7, dtype=np.uint64)
    meta = {
        "tenant": np.array([1, 2, 1, 2, 1, 2], np.uint32),
        "vehicle": numbers,
        "event_time": np.full(6, 1_761_566_522_000_000),
        "ingest_time": np.full(6, 1_761_566_522_100_000),
        "record": numbers * 11,
        "reissued": numbers == 3,
        "quality": quality_codes(np.array([4]), CATALOGUE[STATE].number, 2, 6),
    }
    signals = {
        SPEED: pa.array([10.5, 20, 30, 40, None, 60], pa.float32()),
        STATE: pa.array([0, 1, 0, 1, None, 1], pa.uint8()),
    }
    return SignalBatch.build(kind, meta, signals)


def chosen(rule: Rule, data: SignalBatch, vehicles: list[int] | None = None) -> list[int]:
    chooser = Chooser(rule, 1, CATALOGUE)
    if vehicles is not None:
        chooser.vehicles = np.array(vehicles, np.uint64)
    found = chooser.choose(data, data.numpy("tenant"))
    return [] if found is None else found.numpy("vehicle").tolist()


def test_rows_are_the_tenants_own_whatever_is_asked() -> None:
    assert chosen(Rule(kind="webhook", target=HOOK), batch()) == [1, 3, 5]
    named = Rule(kind="webhook", target=HOOK, filter=Filter(vins=("X",)))
    assert chosen(named, batch(), [2, 3, 4]) == [3]
    assert chosen(named, batch()) == []


def test_a_predicate_asks_reports_alone() -> None:
    fast = Rule(
        kind="webhook", target=HOOK, filter=Filter(where=f"{SPEED} > 20"),
        records=("report", "logout"),
    )  # fmt: skip
    assert chosen(fast, batch()) == [3]
    assert chosen(fast, batch("logout")) == [1, 3, 5]
    assert chosen(fast, batch("login")) == []


def test_signals_are_columns() -> None:
    rule = Rule(kind="webhook", target=HOOK, signals=(SPEED,))
    assert chosen(rule, batch()) == [1, 3]
    found = Chooser(rule, 1, CATALOGUE).choose(batch(), batch().numpy("tenant"))
    assert found is not None
    assert found.paths == [SPEED]


def test_rows_read_as_the_api_shows_them() -> None:
    names = {number: Name(f"VIN{number}") for number in range(1, 7)}
    found = records(batch(), names, CATALOGUE)
    assert found[0] == {
        "vin": "VIN1",
        "event_time": "2025-10-27T12:02:02Z",
        "kind": "report",
        "signals": {SPEED: 10.5, STATE: "ON"},
    }
    assert found[4]["signals"] == {}
    assert found[4]["quality"] == {STATE: "invalid"}
    assert found[2]["reissued"] is True
    assert identities(batch())[0] == "1-1761566522000000-report-000000000000000b"


def test_rows_of_vehicles_nobody_knows_any_more_are_left_out() -> None:
    parcel = Parcel([batch()], {1: Name("VIN1"), 3: Name("VIN3")})
    assert parcel.counts == (2, 0, 0, 4)
    (((index, rows, kept)),) = list(parcel.open())
    assert (index, rows.tolist(), len(kept)) == (0, [0, 2], 2)
    parcel.sent(0, 0)
    parcel.refused(0, [2], "no")
    assert parcel.counts == (0, 1, 1, 4)
    assert list(parcel.open()) == []
