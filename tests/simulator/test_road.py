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
from motorcade.simulator.traffic import Schedule, Traffic


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


class _Changing(Gbt32960Speech):
    """Cars that have two access networks."""

    def hop(self, connection: int) -> bool:
        return True


def test_a_hop_under_way_at_the_end_comes_in(platform: Any) -> None:
    """Every hop is a login, that of a car which had just left when the time was up too."""
    fleet = build_fleet(3, 1, 3, seed=1, layouts=layouts_of("2016"))
    speech = _Changing(fleet, ("127.0.0.1", platform.port))
    road = Road(
        speech,
        3,
        tally=[0.0] * len(TALLY),
        stopped=lambda: road.hops > 0,
        hops_s=1000.0,
    )
    road.connect()
    traffic = Traffic(fleet, Schedule(1_700_000_000_000_000, 1e6), speech)
    road.drive(traffic, 100.0)
    road.close()
    traffic.close()
    assert (road.hops, road.logins) == (1, 3 + 1)


def test_a_hop_that_is_turned_away_holds_up_no_end(platform: Any) -> None:
    fleet = build_fleet(3, 1, 3, seed=1, layouts=layouts_of("2016"))
    speech = _Changing(fleet, ("127.0.0.1", platform.port))

    def stopped() -> bool:
        platform.refusing = road.hops > 0
        return platform.refusing

    road = Road(speech, 3, tally=[0.0] * len(TALLY), stopped=stopped, hops_s=1000.0)
    road.connect()
    traffic = Traffic(fleet, Schedule(1_700_000_000_000_000, 1e6), speech)
    road.drive(traffic, 100.0)
    road.close()
    traffic.close()
    assert (road.hops, road.logins, road.refused_logins) == (1, 3, 1)
