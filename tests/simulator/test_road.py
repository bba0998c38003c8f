"""Connections log in, change over, and speak IPv6."""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import Any

import pytest

from motorcade.simulator.fleet import build_fleet
from motorcade.simulator.layouts import layouts_of
from motorcade.simulator.road import TALLY, Road
from motorcade.simulator.speech.gbt32960 import Gbt32960Speech


def _speech(address: tuple[str, int], count: int) -> Gbt32960Speech:
    fleet = build_fleet(count, 1, count, seed=1, layouts=layouts_of("2016"))
    return Gbt32960Speech(fleet, address)


def _road(address: tuple[str, int], count: int) -> Road:
    return Road(
        _speech(address, count),
        count,
        tally=[0.0] * len(TALLY),
        stopped=lambda: False,
        login_timeout_s=10,
    )


def test_logins_over_ipv6(platform: Any) -> None:
    class SixPlatform(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6
        daemon_threads = True
        frames: list[bytes] = []  # noqa: RUF012 - as the handler's server has it
        refusing = False
        hangs_up_after = 0

    try:
        server = SixPlatform(("::1", 0), platform.RequestHandlerClass)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        road = _road(("::1", server.server_address[1]), 5)
        road.connect()
        assert road.greeted == road.logins == 5
        road.close()
        server.shutdown()
        thread.join()


def test_the_tally_is_kept(platform: Any) -> None:
    tally = [0.0] * len(TALLY)
    road = Road(
        _speech(("127.0.0.1", platform.port), 3),
        3,
        tally=tally,
        stopped=lambda: False,
    )
    road.connect()
    road.close()
    assert tally[TALLY.index("logins")] == 3
