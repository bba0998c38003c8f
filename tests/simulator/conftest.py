"""A platform for simulated cars: the protocol's own session behind a socket, in a thread."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import pytest

from motorcade.protocols.gbt32960 import Session


class Platform(socketserver.ThreadingTCPServer):
    """Answers everything well-formed; keeps what it heard. ``refusing`` refuses logins;
    ``hangs_up_after`` closes a connection after so many frames."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.frames: list[bytes] = []
        self.refusing = False
        self.hangs_up_after = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def reports(self) -> list[bytes]:
        return [frame for frame in self.frames if frame[2] in (2, 3)]


class _Connection(socketserver.BaseRequestHandler):
    server: Platform

    def handle(self) -> None:
        session, heard = Session(), 0
        while data := self.request.recv(1 << 16):
            session.receive_data(data)
            frames = session.frames_received()
            self.server.frames += frames
            heard += len(frames)
            answer = bytearray(session.data_to_send())
            if self.server.refusing and answer:
                answer[3] = 2
            if self.server.hangs_up_after and heard > self.server.hangs_up_after:
                return
            self.request.sendall(answer)


@pytest.fixture
def platform() -> Iterator[Platform]:
    """A listening platform."""
    with Platform() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
