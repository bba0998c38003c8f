"""Connections count answers by what they say, and speak IPv6."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from motorcade.protocols.gbt32960.encode import encode, login_unit
from motorcade.simulator.road import TALLY, Road

_AT = 1_763_800_000_000_000


@pytest.fixture
def road() -> Iterator[Road]:
    made = _road(("127.0.0.1", 9), 1)
    yield made
    made.close()


def _road(address: tuple[str, int], count: int) -> Road:
    return Road(
        address,
        count,
        hello=lambda index: encode(1, f"0AA{index:014d}", login_unit(_AT, 1, "8986")),
        tally=[0.0] * len(TALLY),
        stopped=lambda: False,
        login_timeout_s=10,
    )


def test_answers_are_cut_and_refusals_seen(road: Road) -> None:
    good = encode(2, "0AA00000000000001", bytes(6), flag=1)
    bad = encode(2, "0AA00000000000001", bytes(6), flag=2)
    assert road.cut(good + bad + good[:20]) == (2, len(good + bad))
    assert road._negative == 1
    assert road.cut(good) == (1, len(good))
    assert road._negative == 0
    assert road.cut(b"") == (0, 0)


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
        ("127.0.0.1", platform.port),
        3,
        hello=lambda index: encode(1, f"0AA{index:014d}", login_unit(_AT, 1, "8986")),
        tally=tally,
        stopped=lambda: False,
    )
    road.connect()
    road.close()
    assert tally[TALLY.index("logins")] == 3
