"""Load over real sockets and processes: it counts right, comes back, stops, and stays at home."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from motorcade.errors import DependencyError, Invalid
from motorcade.simulator.load import Load, LoadPlan, check_target

pytestmark = pytest.mark.sweep


def _plan(**values: Any) -> LoadPlan:
    return LoadPlan(**{"vehicles": 20, "tenants": 4, "seconds": 1.0, **values})


def _run(plan: LoadPlan, port: int, accounts: list[tuple[str, str]] | None = None) -> Any:
    load = Load(plan, ("127.0.0.1", port), accounts or [])
    load.start()
    return load.wait()


def _until(condition: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_open_loop_sends_at_its_rate(platform: Any) -> None:
    report = _run(_plan(rate=100, seconds=2.0, processes=2), platform.port)
    assert report.acknowledged == report.sent == len(platform.reports())
    assert 190 <= report.sent <= 202
    assert report.logins == 20
    assert report.lost == report.refused == report.closed == report.skipped == 0
    assert 0 < report.p50_ms <= report.p99_ms <= report.p999_ms


def test_closed_loop_sends_when_it_is_answered(platform: Any) -> None:
    report = _run(_plan(rate=0, frames_per_send=10), platform.port)
    assert report.acknowledged == report.sent == len(platform.reports())
    assert report.sent % 10 == 0
    assert {frame[2] for frame in platform.reports()} == {3}


def test_fewer_connections_are_platform_links(platform: Any) -> None:
    accounts = [(f"user{number}", "secret") for number in range(4)]
    report = _run(_plan(connections=6, rate=200), platform.port, accounts)
    assert report.links == "platform"
    assert report.acknowledged == report.sent
    logins = [frame for frame in platform.frames if frame[2] == 5]
    assert {frame[32:37] for frame in logins} == {b"user0", b"user1", b"user2", b"user3"}
    assert len({frame[4:21] for frame in platform.reports()}) == 20


def test_platform_links_need_accounts(platform: Any) -> None:
    with pytest.raises(Invalid, match="account"):
        Load(_plan(connections=6), ("127.0.0.1", platform.port))


def test_closed_connections_come_back(platform: Any) -> None:
    platform.hangs_up_after = 3
    report = _run(_plan(rate=100, seconds=4.0), platform.port)
    assert report.closed > 0
    assert report.logins > 20
    assert report.acknowledged + report.lost == report.sent


def test_stop_ends_it_with_a_report(platform: Any) -> None:
    load = Load(_plan(rate=100, seconds=0), ("127.0.0.1", platform.port))
    load.start()
    _until(lambda: load.progress().acknowledged >= 50)
    assert load.progress().logged_in == 20
    load.stop()
    assert load.wait().acknowledged >= 50


def test_the_past_is_sent_again(platform: Any) -> None:
    now = time.time()
    report = _run(_plan(rate=400, seconds=1.0, past_s=3600), platform.port)
    assert {frame[2] for frame in platform.reports()} == {3}
    minutes = sorted({frame[24:29] for frame in platform.reports()})
    assert report.acknowledged == report.sent
    assert 18 <= len(minutes) <= 22
    past = time.gmtime(now + 8 * 3600 - 3600)
    assert list(minutes[0][:4]) == [past.tm_year % 100, past.tm_mon, past.tm_mday, past.tm_hour]


def test_refused_logins_are_told(platform: Any) -> None:
    platform.refusing = True
    with pytest.raises(DependencyError, match="refused"):
        _run(_plan(login_timeout_s=1.5), platform.port)


def test_nobody_there_is_told() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(DependencyError, match="no car could log in"):
            _run(_plan(login_timeout_s=0.5), held.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_this_machine_may_be_driven(host: str) -> None:
    assert check_target(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "8.8.8.8", "example.com", "0.0.0.0", "::", ""])
def test_other_machines_may_not(host: str) -> None:
    with pytest.raises(Invalid, match="this machine only"):
        check_target(host)


@pytest.mark.parametrize(
    "wrong",
    [
        {"vehicles": 0},
        {"connections": 30},
        {"rate": -1.0},
        {"seconds": 1e9},
        {"frames_per_send": 0},
        {"processes": 0},
        {"tenants": 0},
        {"edition": "1999"},
        {"past_s": 60.0},
    ],
)
def test_plans_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        _plan(**wrong).checked()
