"""The bare epoll sink the gateway is compared with: cuts frames by length, answers each, keeps
nothing."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["sink"]


@contextmanager
def sink() -> Iterator[tuple[str, int, int]]:
    """A sink in a process of its own; yields host, port and process id."""
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve())], stdout=subprocess.PIPE, text=True
    )
    try:
        if child.stdout is None:
            raise RuntimeError("the sink has no output to read its port from")
        yield "127.0.0.1", int(child.stdout.readline()), child.pid
    finally:
        child.terminate()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _serve() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    epoll = select.epoll()
    epoll.register(listener.fileno(), select.EPOLLIN)
    peers: dict[int, socket.socket] = {}
    tails: dict[int, bytes] = {}
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                peer, _address = listener.accept()
                peer.setblocking(False)
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peers[peer.fileno()] = peer
                epoll.register(peer.fileno(), select.EPOLLIN)
                continue
            _read(fd, peers, tails, epoll)


def _read(
    fd: int, peers: dict[int, socket.socket], tails: dict[int, bytes], epoll: select.epoll
) -> None:
    try:
        data = peers[fd].recv(1 << 18)
    except OSError:
        data = b""
    if not data:
        epoll.unregister(fd)
        peers.pop(fd).close()
        tails.pop(fd, None)
        return
    if fd in tails:
        data = tails.pop(fd) + data
    answers, at, end = [], 0, len(data)
    while at + 25 <= end:
        size = 25 + (data[at + 22] << 8) + data[at + 23]
        if at + size > end:
            break
        # Header and time come back as on a platform link; the check byte is left out of the race.
        answers.append(data[at : at + 3] + b"\x01" + data[at + 4 : at + 22] + b"\x00\x06")
        answers.append(data[at + 24 : at + 30] + b"\x00")
        at += size
    if at < end:
        tails[fd] = data[at:]
    try:
        peers[fd].send(b"".join(answers))
    except OSError:
        os.write(2, b"sink: a peer does not read\n")


if __name__ == "__main__":
    _serve()
