"""One car's links through a whole platform: login, killed gateway, killed worker, goodbye."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from faults.cars import login, vin_of
from platforms import RunningPlatform, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("platform")]

VIN = vin_of(1)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    settings = [
        "sessions.offline_grace_s=1.0",
        "sessions.gateway_lost_s=5.0",
        "gateway.gbt32960.bearer=lte",
    ]
    with running_platform(tmp_path_factory.mktemp("links"), settings) as running:
        running.cli("tenant", "add", "acme", "--wmi", "LSG")
        running.cli("tenant", "add", "other")
        yield running


@contextlib.contextmanager
def _car(platform: RunningPlatform) -> Iterator[socket.socket]:
    """A car that has logged in."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError, AssertionError):
            link = socket.create_connection(platform.gbt32960, timeout=5)
            with contextlib.ExitStack() as stack:
                stack.callback(link.close)
                link.sendall(login(VIN, time.time()))
                assert link.recv(4096)[3:4] == b"\x01"
                stack.pop_all()
                break
        assert time.monotonic() < deadline, "no login within a minute"
        time.sleep(0.1)
    with link:
        yield link


def _until(question: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError, OSError, KeyError, ValueError, AssertionError):
            if found := question():
                return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def test_links_outlive_gateways_and_workers(platform: RunningPlatform) -> None:
    key, other = platform.key("reader", "acme"), platform.key("reader", "other")

    def ask(path: str, whose: str = key) -> dict[str, Any]:
        answer = httpx.get(
            platform.http + path, headers={"Authorization": f"Bearer {whose}"}, timeout=20
        )
        return {**answer.json(), "status": answer.status_code}

    def now() -> dict[str, Any]:
        return ask(f"/v1/vehicles/{VIN}/links")

    def told() -> list[str]:
        changes = ask(f"/v1/vehicles/{VIN}/links/history?from=-1h")["changes"]
        return [f"{one['event']} {one.get('reason', '')}".strip() for one in changes]

    with _car(platform):
        state = _until(lambda: (found := now())["online"] and found)
        (link,) = state["links"]
        assert (link["protocol"], link["bearer"], link["gateway"]) == (
            "gbt32960",
            "lte",
            "gateway-0",
        )
        where = "/v1/state?where=Vehicle.Connectivity.IsOnline = TRUE"
        cars = _until(lambda: ask(where)["vehicles"])
        assert [car["vin"] for car in cars] == [VIN]
        assert ask(f"/v1/vehicles/{VIN}/links", other)["status"] == 404
        platform.send("gateway", signal.SIGKILL)
        # On a busy machine it may be given up before it is back.
        ends = (["down gateway_restarted"], ["down gateway_lost"])
        _until(lambda: len(told()) == 3 and told()[1:2] in ends)
    with _car(platform):
        _until(lambda: now()["online"])
        (before,) = now()["links"]
        platform.send("gateway", signal.SIGSTOP)
        _until(lambda: told()[4:] == ["down gateway_lost", "offline gateway_lost"])
        platform.send("gateway", signal.SIGCONT)
        _until(lambda: now()["links"] == [before])
        platform.send("worker", signal.SIGKILL)
    _until(lambda: len(told()) == 9)
    assert [one.partition(" ")[0] for one in told()] == ["up", "down", "offline"] * 3
    assert now()["online"] is False
    metrics = httpx.get(platform.http + "/metrics", timeout=20).text
    assert "motorcade_sessions_online 0.0" in metrics
    assert platform.stop() == 0
