"""Drives N connections from P processes with ready-made frames, and measures the answers.

In: a ``Plan`` (address, one opening message per connection, a source of rounds of sends, a cutter
of answers). Out: a ``Report`` (rates, latencies, losses). It knows no protocol: sends are bytes,
and the cutter says how many whole answers stand in the bytes that came back.

Closed loop (``rate_sends_s`` 0): every connection keeps ``window`` sends unanswered. Open loop:
sends fall due at the rate, in turn over the connections; a latency counts from when the send was
due, so a slow platform cannot hide by slowing its load.
"""

from __future__ import annotations

import multiprocessing
import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Plan", "Report", "Rounds", "Links", "drive", "cut_gbt32960"]

_CONNECTING_MAX = 2048
"""Connections opened at once by a process: half a listener's backlog."""

_DRAIN_S = 10.0
"""How long answers may take after the last send; what is unanswered then is lost."""


class Rounds(Protocol):
    """Where sends come from: round ``number``'s bytes for ``count`` connections from ``first``
    on."""

    def __call__(self, number: int, first: int, count: int) -> Sequence[bytes]: ...


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to drive. ``cut(data)`` gives (whole answers in ``data``, bytes they take)."""

    host: str
    port: int
    hellos: Sequence[bytes]
    rounds: Rounds
    cut: Callable[[bytes], tuple[int, int]]
    answers_per_send: int = 1
    duration_s: float = 10.0
    rate_sends_s: float = 0.0
    window: int = 1
    processes: int = 1
    hello_timeout_s: float = 60.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Latencies in milliseconds from due (open loop) or sent (closed) to the
    last answer of a send; ``lost`` are answers owed and not seen; ``skipped`` sends the window
    held back in open loop."""

    connections: int
    greeted: int
    hello_s: float
    seconds: float
    sends: int
    answers: int
    lost: int
    skipped: int
    closed: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_s: float

    @property
    def answers_s(self) -> float:
        """Answers per second over the time of sending."""
        return self.answers / self.seconds if self.seconds else 0.0


def drive(plan: Plan) -> Report:
    """Run the plan; blocks until every process has finished. ``OSError`` where nothing can
    connect."""
    total = len(plan.hellos)
    processes = max(1, min(plan.processes, total))
    edges = [total * part // processes for part in range(processes + 1)]
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes)
    pipes, children = [], []
    for first, last in pairwise(edges):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(plan, first, last - first, barrier, theirs))
        child.start()
        theirs.close()
        pipes.append(ours)
        children.append(child)
    parts = [_received(pipe) for pipe in pipes]
    for child in children:
        child.join()
    failed = [part for part in parts if isinstance(part, str)]
    if failed:
        raise OSError(failed[0])
    return _merged([part for part in parts if not isinstance(part, str)])


def cut_gbt32960(data: bytes) -> tuple[int, int]:
    """Whole GB/T 32960 frames in ``data`` (header 24 bytes, length at 22, one check byte)."""
    count, at, end = 0, 0, len(data)
    while at + 25 <= end:
        size = 25 + (data[at + 22] << 8) + data[at + 23]
        if at + size > end:
            break
        at += size
        count += 1
    return count, at


class _Link:
    """One connection: what is still to be written, unfinished answers, when its sends were due."""

    __slots__ = ("due", "index", "out", "owed", "round", "sock", "tail")

    def __init__(self, index: int, sock: socket.socket) -> None:
        self.index = index
        self.sock = sock
        self.out = b""
        self.tail = b""
        self.owed = 0
        self.round = 0
        self.due: deque[float] | None = None


class Links:
    """The connections of one process on one epoll; ``connect`` opens and greets them."""

    def __init__(self, plan: Plan, first: int, count: int) -> None:
        self.plan = plan
        self.first = first
        self.count = count
        self.links: dict[int, _Link] = {}
        self.by_index: list[_Link | None] = [None] * count
        self.epoll = select.epoll()
        self.greeted = 0
        self.sends = self.answers = self.skipped = self.closed = 0
        self.latencies = array("d")
        self._rounds: dict[int, Sequence[bytes]] = {}

    def connect(self) -> float:
        """Open and greet every connection; returns the seconds it took. Unanswered ones stay."""
        began = time.monotonic()
        deadline = began + self.plan.hello_timeout_s
        opened = settled = 0
        waiting: set[int] = set()
        while settled < self.count and time.monotonic() < deadline:
            while opened < self.count and len(waiting) < _CONNECTING_MAX:
                link = self._open(opened)
                opened += 1
                if link.out:
                    waiting.add(link.sock.fileno())
                else:
                    settled += 1
            for fd, event in self.epoll.poll(0.2):
                link_or_none = self.links.get(fd)
                if link_or_none is None:
                    continue
                if event & select.EPOLLOUT:
                    self._flush(link_or_none)
                if not event & ~select.EPOLLOUT:
                    continue
                answered = self._read(link_or_none)
                if answered != 0 and fd in waiting:
                    waiting.discard(fd)
                    settled += 1
                    self.greeted += answered > 0
        return time.monotonic() - began

    def closed_loop(self) -> float:
        """Keep ``window`` sends of every connection unanswered; returns the seconds of sending."""
        began = time.monotonic()
        end = began + self.plan.duration_s
        for link in list(self.links.values()):
            for _ in range(self.plan.window):
                self._send(link, time.monotonic())
        while (now := time.monotonic()) < end and self.links:
            for link, complete in self._poll(0.2):
                now = time.monotonic()
                for _ in range(complete):
                    self._send(link, now)
        seconds = time.monotonic() - began
        self._drain()
        return seconds

    def open_loop(self, rate_s: float) -> float:
        """Send at ``rate_s`` in turn over the connections; returns the seconds of sending."""
        began = time.monotonic()
        end = began + self.plan.duration_s
        turn, step = 0, 1.0 / rate_s
        while (now := time.monotonic()) < end and self.links:
            while began + turn * step <= now:
                link = self.by_index[turn % self.count]
                if link is not None:
                    if len(link.due or ()) < self.plan.window:
                        self._send(link, began + turn * step)
                    else:
                        self.skipped += 1
                turn += 1
            for _ in self._poll(max(0.0, min(0.001, began + turn * step - now))):
                pass
        seconds = time.monotonic() - began
        self._drain()
        return seconds

    def close(self) -> None:
        """Close what is open."""
        for link in list(self.links.values()):
            self._drop(link)
        self.epoll.close()

    @property
    def lost(self) -> int:
        """Answers owed and not seen."""
        return self.sends * self.plan.answers_per_send - self.answers

    def _drain(self) -> None:
        deadline = time.monotonic() + _DRAIN_S
        while self.lost > 0 and self.links and time.monotonic() < deadline:
            for _ in self._poll(0.05):
                pass

    def _open(self, index: int) -> _Link:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect_ex((self.plan.host, self.plan.port))
        link = _Link(index, sock)
        link.out = self.plan.hellos[self.first + index]
        self.links[sock.fileno()] = link
        self.by_index[index] = link
        self.epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        return link

    def _poll(self, timeout_s: float) -> list[tuple[_Link, int]]:
        done = []
        for fd, event in self.epoll.poll(timeout_s):
            link = self.links.get(fd)
            if link is None:
                continue
            if event & select.EPOLLOUT:
                self._flush(link)
            if event & ~select.EPOLLOUT:
                complete = self._settle(link, self._read(link))
                if complete:
                    done.append((link, complete))
        return done

    def _settle(self, link: _Link, answers: int) -> int:
        """Take ``answers`` off what the link is owed; returns how many sends that completed."""
        if answers <= 0 or link.due is None:
            return 0
        self.answers += answers
        link.owed -= answers
        per = self.plan.answers_per_send
        complete = len(link.due) - -(-link.owed // per)
        now = time.monotonic()
        for _ in range(complete):
            self.latencies.append(now - link.due.popleft())
        return complete

    def _send(self, link: _Link, due: float) -> None:
        if link.sock.fileno() < 0:
            return
        data = self._take(link)
        if link.due is None:
            link.due = deque()
        link.due.append(due)
        link.owed += self.plan.answers_per_send
        self.sends += 1
        if link.out:
            link.out += data
            return
        try:
            sent = link.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(link)
            return
        if sent < len(data):
            link.out = data[sent:]
            self.epoll.modify(link.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _take(self, link: _Link) -> bytes:
        number = link.round
        link.round += 1
        sends = self._rounds.get(number)
        if sends is None:
            sends = self._rounds[number] = self.plan.rounds(number, self.first, self.count)
            for old in [key for key in self._rounds if key < number - 64]:
                del self._rounds[old]
        return sends[link.index]

    def _flush(self, link: _Link) -> None:
        try:
            link.out = link.out[link.sock.send(link.out) :] if link.out else b""
        except BlockingIOError:
            return
        except OSError:
            self._drop(link)
            return
        if not link.out:
            self.epoll.modify(link.sock.fileno(), select.EPOLLIN)

    def _read(self, link: _Link) -> int:
        """Whole answers read; -1 where the connection is gone."""
        try:
            data = link.sock.recv(1 << 18)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self._drop(link)
            return -1
        if link.tail:
            data = link.tail + data
        count, used = self.plan.cut(data)
        link.tail = data[used:]
        return count

    def _drop(self, link: _Link) -> None:
        fd = link.sock.fileno()
        if fd >= 0 and self.links.pop(fd, None) is not None:
            self.by_index[link.index] = None
            self.closed += 1
            self.epoll.unregister(fd)
            link.sock.close()


def _child(plan: Plan, first: int, count: int, barrier: Any, pipe: Any) -> None:
    cpu = time.process_time()
    try:
        links = Links(plan, first, count)
        hello_s = links.connect()
        barrier.wait()
        share = plan.rate_sends_s * count / len(plan.hellos)
        seconds = links.open_loop(share) if share else links.closed_loop()
        closed = links.closed
        links.close()
        facts = {
            "connections": count,
            "greeted": links.greeted,
            "hello_s": hello_s,
            "seconds": seconds,
            "sends": links.sends,
            "answers": links.answers,
            "lost": links.lost,
            "skipped": links.skipped,
            "closed": closed,
            "cpu_s": time.process_time() - cpu,
        }
        pipe.send((facts, np.frombuffer(links.latencies, dtype=np.float64)))
    except Exception as error:
        barrier.abort()
        pipe.send(f"{type(error).__name__}: {error}")
    finally:
        pipe.close()


def _received(pipe: Any) -> tuple[dict[str, Any], NDArray[np.float64]] | str:
    try:
        part: tuple[dict[str, Any], NDArray[np.float64]] | str = pipe.recv()
    except EOFError:
        return "a load process ended without a report"
    return part


def _merged(parts: Sequence[tuple[dict[str, Any], NDArray[np.float64]]]) -> Report:
    facts = [part[0] for part in parts]
    latencies = np.concatenate([part[1] for part in parts]) * 1000.0
    p50, p99, p999 = np.percentile(latencies, [50, 99, 99.9]) if len(latencies) else (0.0,) * 3
    sums = {
        name: sum(fact[name] for fact in facts)
        for name in (
            "connections",
            "greeted",
            "sends",
            "answers",
            "lost",
            "skipped",
            "closed",
            "cpu_s",
        )
    }
    return Report(
        **sums,
        hello_s=max(fact["hello_s"] for fact in facts),
        seconds=max(fact["seconds"] for fact in facts),
        p50_ms=float(p50),
        p99_ms=float(p99),
        p999_ms=float(p999),
    )
