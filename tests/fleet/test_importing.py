"""Imports: everything or nothing, dense numbers, errors by line, other tenants' secrets kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest

from motorcade.clock import SteerableClock
from motorcade.errors import CapacityError, Invalid, NotFound
from motorcade.fleet import importing
from motorcade.fleet.registry import Config, Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.fleet.settings import TenantSettings
from motorcade.fleet.vin import build

pytestmark = pytest.mark.engines

V = build(np.random.default_rng(5), "LSV", 3000)


def _csv(vins: list[str]) -> bytes:
    return ("vin\n" + "\n".join(vins)).encode()


async def test_a_file_of_vehicles(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_STORE_ROWS", 700)
    await fleet.create_tenant("a")
    path = tmp_path / "cars.csv"
    lines = [
        f'{vin},"Model, {n % 3}",京A{n:05d},8986{n:016d},x|y{n % 2}' for n, vin in enumerate(V)
    ]
    path.write_text("vin,model,plate,iccid,labels\n" + "\n".join([*lines, ""]), encoding="utf-8")
    seen: list[tuple[int, int, str]] = []
    report = await fleet.import_vehicles(1, path, lambda *step: seen.append(step))
    assert (report.rows, report.added, report.first, report.last) == (3000, 3000, 1, 3000)
    assert report.errors == []
    assert [step[2] for step in seen] == ["read", "check", "check"] + ["store"] * 5
    assert seen[0][:2] == (path.stat().st_size,) * 2
    assert seen[-1][:2] == (3000, 3000)
    page = await fleet.vehicles(1, limit=3000)
    assert [vehicle.vin for vehicle in page.vehicles] == V
    assert [vehicle.number for vehicle in page.vehicles] == list(range(1, 3001))
    tenth = page.vehicles[10]
    assert (tenth.model, tenth.plate, tenth.labels) == ("Model, 1", "京A00010", ["x", "y0"])
    assert tenth.iccid == "8986" + f"{10:016d}"


async def test_nothing_is_half_imported_and_no_number_is_lost(fleet: Fleet) -> None:
    for name in ("a", "b"):
        await fleet.create_tenant(name)
    await fleet.add_vehicles(1, [NewVehicle(vin=V[0])])
    await fleet.add_vehicles(2, [NewVehicle(vin=V[1])])
    report = await fleet.import_vehicles(1, _csv([V[2], V[0], "BAD", V[1], V[2], V[3]]))
    assert (report.rows, report.added, report.error_count) == (6, 0, 4)
    assert [(error.line, error.code) for error in report.errors] == [
        (3, "registered"),
        (4, "vin_length"),
        (5, "registered"),
        (6, "duplicate"),
    ]
    own, other = report.errors[0].reason, report.errors[2].reason
    assert "registered already" in own
    assert "registered" not in other
    assert "line 2" in report.errors[3].reason
    assert await fleet.count_vehicles(1) == await fleet.count_vehicles(2) == 1
    good = await fleet.import_vehicles(1, _csv([V[2], V[3]]))
    assert (good.first, good.last) == (3, 4)


async def test_the_check_digit_is_the_tenants_choice(fleet: Fleet) -> None:
    await fleet.create_tenant("strict", TenantSettings(vin_check_digit=True))
    await fleet.create_tenant("lax")
    wrong = V[0][:8] + ("1" if V[0][8] != "1" else "2") + V[0][9:]
    report = await fleet.add_vehicles(1, [NewVehicle(vin=V[0]), NewVehicle(vin=wrong)])
    assert [(error.line, error.code) for error in report.errors] == [(2, "vin_check_digit")]
    assert (await fleet.add_vehicles(2, [NewVehicle(vin=wrong)])).added == 1


async def test_many_at_once_share_no_number(fleet: Fleet) -> None:
    for name in ("a", "b"):
        await fleet.create_tenant(name)
    jobs = [
        fleet.add_vehicles(1 + n % 2, [NewVehicle(vin=vin) for vin in V[n * 50 : n * 50 + 50]])
        for n in range(8)
    ]
    reports = await asyncio.gather(*jobs, fleet.add_vehicles(1, [NewVehicle(vin="BAD")]))
    numbers = [n for report in reports[:8] for n in range(report.first, report.last + 1)]
    assert sorted(numbers) == list(range(1, 401))
    # The same vehicles from two sides at once: one gets all of them, the other none.
    rows = [NewVehicle(vin=vin) for vin in V[1000:1100]]
    one, two = await asyncio.gather(fleet.add_vehicles(1, rows), fleet.add_vehicles(2, rows[::-1]))
    assert sorted([one.added, two.added]) == [0, 100]
    assert one.error_count + two.error_count == 100


async def test_limits_and_unreadable_files(config: Config, fleet: Fleet) -> None:
    await fleet.create_tenant("a")
    with pytest.raises(Invalid, match="line 2"):
        await fleet.import_vehicles(1, b"vin\n\xff\n")
    with pytest.raises(NotFound):
        await fleet.add_vehicles(9, [NewVehicle(vin=V[0])])
    assert (await fleet.add_vehicles(1, [])).added == 0
    small = await Fleet.connect(
        msgspec.structs.replace(config, import_rows_max=10), SteerableClock()
    )
    with pytest.raises(CapacityError):
        await small.import_vehicles(1, _csv(V[:11]))
    assert (await small.import_vehicles(1, _csv(V[:10]))).last == 10
    await small.close()


async def test_a_vin_under_another_tenants_prefix_is_refused(fleet: Fleet) -> None:
    own = await fleet.create_tenant("own", TenantSettings(auto_register_wmi=("LAA",)))
    other = await fleet.create_tenant("other", TenantSettings(auto_register_wmi=("LBB", "LCC1")))
    csv = b"vin\nLAA00000000000001\nLBB00000000000001\nLCC10000000000001\nLCC20000000000001\n"
    report = await fleet.import_vehicles(own.number, csv)
    assert (report.added, report.error_count) == (0, 2)
    assert [(error.line, error.code) for error in report.errors] == [(3, "claimed"), (4, "claimed")]
    assert "other" not in " ".join(error.reason for error in report.errors)
    assert (await fleet.import_vehicles(other.number, csv.replace(b"LAA", b"LDD"))).added == 4
    again = csv.replace(b"000001", b"000002")
    assert (await fleet.import_vehicles(own.number, again, respect_claims=False)).added == 4


async def test_names_come_with_the_rows(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_STORE_ROWS", 2)
    for name in ("a", "b"):
        await fleet.create_tenant(name)
    lines = ["vin,phone,device,imei"]
    lines += [f"{vin},0138{n:08d},,{'3002340107533' + f'{n:02d}'}" for n, vin in enumerate(V[:5])]
    report = await fleet.import_vehicles(1, "\n".join([*lines, V[5]]).encode())
    assert (report.added, report.error_count) == (6, 0)
    found = await fleet.identify("phone", [f"138{n:08d}" for n in range(6)])
    assert {value: one.vin for value, one in found.items()} == {
        f"138{n:08d}": V[n] for n in range(5)
    }
    assert (await fleet.identify("imei", ["300234010753304"])).keys() == {"300234010753304"}
    rows = [
        NewVehicle(vin=V[10], device="0" * 16),
        NewVehicle(vin=V[11], phone="9", device="B" * 16),
    ]
    assert (await fleet.add_vehicles(2, rows)).added == 2
    assert [(one.kind, one.value) for one in await fleet.identities_of(2, V[11])] == [
        ("device", "b" * 16),
        ("phone", "9"),
    ]


async def test_names_that_are_taken_or_none(fleet: Fleet) -> None:
    for name in ("a", "b"):
        await fleet.create_tenant(name)
    await fleet.add_vehicles(1, [NewVehicle(vin=V[0], phone="13800000000")])
    await fleet.add_vehicles(2, [NewVehicle(vin=V[1], phone="13800000001")])
    lines = ["vin,phone,imei,device", f"{V[2]},13800000000,,", f"{V[3]},013800000001,,"]
    lines += [f"{V[4]},7,,", f"{V[5]},007,,", f"{V[6]},000,,", f"{V[7]},,12345,", f"{V[8]},,,a b"]
    report = await fleet.import_vehicles(1, "\n".join(lines).encode())
    assert (report.added, report.error_count) == (0, 6)
    assert [(error.line, error.code) for error in report.errors] == [
        (2, "taken"),
        (3, "taken"),
        (5, "duplicate"),
        (6, "value"),
        (7, "value"),
        (8, "value"),
    ]
    own, other = report.errors[0].reason, report.errors[1].reason
    assert ("another vehicle's" in own, "not available" in other) == (True, True)
    assert "line 4" in report.errors[2].reason
    assert await fleet.count_vehicles(1) == 1
