"""The driver against an echo: every send answered, losses and closed connections counted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence

import pytest

from motorcade.simulator.drive import Plan, cut_gbt32960, drive

FRAME = b"##\x02\xfe" + b"V" * 17 + b"\x01\x00\x03abc\x00"


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket) -> None:
        with peer:
            while data := peer.recv(65536):
                peer.sendall(data)

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def rounds(_number: int, _first: int, count: int) -> Sequence[bytes]:
    return [FRAME * 2] * count


@pytest.mark.parametrize(("rate", "processes"), [(0.0, 1), (0.0, 2), (200.0, 1)])
def test_every_send_is_answered(echo: int, rate: float, processes: int) -> None:
    report = drive(
        Plan(
            host="127.0.0.1",
            port=echo,
            hellos=[FRAME] * 4,
            rounds=rounds,
            cut=cut_gbt32960,
            answers_per_send=2,
            duration_s=0.3,
            rate_sends_s=rate,
            window=4,
            processes=processes,
        )
    )
    assert report.greeted == report.connections == 4
    assert report.answers == 2 * report.sends > 0
    assert report.lost == 0
    assert 0 < report.p50_ms <= report.p99_ms <= report.p999_ms


def test_whole_frames_are_cut() -> None:
    assert cut_gbt32960(FRAME * 2 + FRAME[:-1]) == (2, 2 * len(FRAME))
    assert cut_gbt32960(FRAME[:10]) == (0, 0)
