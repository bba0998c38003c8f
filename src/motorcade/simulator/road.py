"""The connections of one load process: they log in, drive, and come back when they were closed.

In: ``Traffic``, and a ``Speech`` that says how to log in and what answers mean. Out: counts in a
shared ``Tally`` while it runs, and the latency of every answered send. It is ``drive.Links`` and
what real vehicles do besides: they look at the answer's flag, obey commands, connect again, and
change over to another access network.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable, MutableSequence
from typing import Final

from motorcade.simulator.drive import Links, Plan, _Link
from motorcade.simulator.speech import Speech
from motorcade.simulator.traffic import Traffic

__all__ = ["Road", "TALLY"]

TALLY: Final = (
    "greeted",
    "logins",
    "sends",
    "answers",
    "refused",
    "skipped",
    "closed",
    "commands",
    "repeated",
    "hops",
)
"""What a process counts, in this order, in its part of the shared memory."""

_CONNECTING_MAX: Final = 2048
"""Logins under way at once: half a listener's backlog. In a storm cars do not wait for others."""

_RETRY_S: Final = 1.0
"""Pause before a closed or refused connection is tried again."""

_DRAIN_S: Final = 10.0
"""How long answers and hops under way may take after the last send; what is unanswered then is
lost."""

_GHOST_S: Final = 3.0
"""How long the connection over the access network a car has left stays open."""

_STRIDE: Final = 7919
"""A prime: cars that change over one after the other are not neighbours."""

_POLL_S: Final = 0.05
"""The longest wait for sockets, so that a stop is noticed."""


class Road(Links):
    """``count`` connections; ``tally`` is written while it runs, ``stopped()`` ends it early.
    ``seconds`` 0 drives until it is stopped; ``hops_s`` connections a second change over."""

    def __init__(
        self,
        speech: Speech,
        count: int,
        *,
        tally: MutableSequence[float],
        stopped: Callable[[], bool],
        answers_per_send: int = 1,
        seconds: float = 10.0,
        window: int = 1,
        login_timeout_s: float = 60.0,
        hops_s: float = 0.0,
    ) -> None:
        plan = Plan(
            host="",
            port=0,
            hellos=(),
            rounds=lambda number, first, count: (),
            cut=lambda data: (0, 0),
            answers_per_send=answers_per_send,
            duration_s=seconds,
            window=window,
            hello_timeout_s=login_timeout_s,
        )
        super().__init__(plan, 0, count)
        self._speech = speech
        self._tally = tally
        self._stopped = stopped
        self._traffic: Traffic | None = None
        self._waiting: deque[tuple[float, int]] = deque((0.0, index) for index in range(count))
        self._fresh: list[_Link] = []
        self._gone = 0
        self._hop_step = 1.0 / hops_s if hops_s else float("inf")
        self._next_hop = float("inf")
        self._hopping = 0
        self._changing: set[int] = set()
        """Cars that have left one access network and are not in over the other yet."""
        self._ghosts: deque[tuple[float, socket.socket]] = deque()
        self.logins = self.refused = self.refused_logins = self.hops = 0

    def connect(self) -> float:
        """Open and log in every connection; returns the seconds it took. After
        ``hello_timeout_s`` those that are not in keep trying while the others drive."""
        began = time.monotonic()
        deadline = began + self.plan.hello_timeout_s
        while self.greeted < self.count and not self._stopped() and time.monotonic() < deadline:
            self._turn(_POLL_S)
        return time.monotonic() - began

    def drive(self, traffic: Traffic, rate_s: float) -> float:
        """Drive for ``duration_s`` (0: until stopped): in open loop at ``rate_s`` sends, or in
        closed loop where that is 0. Returns the seconds of sending; unanswered sends and hops
        under way were waited for."""
        self._traffic = traffic
        began = time.monotonic()
        self._next_hop = began + self._hop_step
        end = began + (self.plan.duration_s or float("inf"))
        if rate_s:
            self._open_loop(began, end, 1.0 / rate_s)
        else:
            self._closed_loop(end)
        seconds = time.monotonic() - began
        self._next_hop = float("inf")
        deadline = time.monotonic() + _DRAIN_S
        while self._is_owed() and time.monotonic() < deadline:
            self._turn(_POLL_S)
        self._publish()
        return seconds

    def lose(self, index: int) -> None:
        """Have a car's connection break off now; it connects again at once."""
        link = self.by_index[index]
        if link is not None:
            self._drop(link)
            self._waiting.pop()
            self._waiting.appendleft((0.0, index))

    @property
    def commands(self) -> int:
        """Commands obeyed."""
        return self._speech.commands

    @property
    def repeated(self) -> int:
        """Commands heard again and not obeyed twice."""
        return self._speech.repeated

    def close(self) -> None:
        """Close what is open."""
        super().close()
        for _, sock in self._ghosts:
            sock.close()

    def _is_owed(self) -> bool:
        """Whether a connection that is up waits for an answer, or a car is between two of them."""
        return bool(self._changing) or (self.lost > self._gone and bool(self.links))

    def _open_loop(self, began: float, end: float, step: float) -> None:
        turn = 0
        while (now := time.monotonic()) < end and not self._stopped():
            while (due := began + turn * step) <= now:
                link = self.by_index[turn % self.count]
                if link is not None and len(link.due or ()) < self.plan.window:
                    link.round = turn // self.count
                    self._send(link, due)
                else:
                    self.skipped += 1
                turn += 1
            self._turn(max(0.0, min(_POLL_S, due - now)))

    def _closed_loop(self, end: float) -> None:
        self._fresh = [link for link in self.by_index if link is not None]
        while (now := time.monotonic()) < end and not self._stopped():
            fresh, self._fresh = self._fresh, []
            for link in fresh:
                for _ in range(self.plan.window):
                    self._send(link, now)
            for link, complete in self._turn(0.0 if self._fresh else _POLL_S):
                now = time.monotonic()
                for _ in range(complete):
                    self._send(link, now)

    def _turn(self, timeout_s: float) -> list[tuple[_Link, int]]:
        """Open what is due, serve the sockets, say how far we are."""
        now = time.monotonic()
        while (
            self._waiting
            and self._waiting[0][0] <= now
            and len(self.links) - self.greeted < _CONNECTING_MAX
        ):
            self._open(self._waiting.popleft()[1])
        if now >= self._next_hop:
            self._hop(now)
        while self._ghosts and self._ghosts[0][0] <= now:
            self._ghosts.popleft()[1].close()
        done = self._poll(timeout_s)
        self._publish()
        return done

    def _hop(self, now: float) -> None:
        """Have one car that waits for no answer leave its access network for another: it opens a
        new connection, and the old one breaks off a while later without a goodbye."""
        self._next_hop = now + self._hop_step
        self._hopping += 1
        link = self.by_index[self._hopping * _STRIDE % self.count]
        if link is None or link.owed or link.out or not self._speech.hop(link.index):
            return
        self.hops += 1
        self._changing.add(link.index)
        self.greeted -= 1
        self.by_index[link.index] = None
        self.epoll.unregister(link.sock)
        del self.links[link.sock.fileno()]
        self._ghosts.append((now + _GHOST_S, link.sock))
        self._waiting.appendleft((0.0, link.index))

    def _open(self, index: int) -> _Link:
        host, port, datagrams = self._speech.address(index)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
        sock.setblocking(False)
        if not datagrams:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect_ex((host, port))
        link = _Link(index, sock)
        link.out = self._speech.hello(index)
        self.links[sock.fileno()] = link
        self.epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        return link

    def _flush(self, link: _Link) -> None:
        silent = not link.out and link.due is None
        if silent and link.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._drop(link)
            return
        super()._flush(link)
        if silent:
            self._greet(link)  # it is connected, and here nobody logs in

    def _read(self, link: _Link) -> int:
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
        greeted = link.due is not None
        heard = self._speech.hear(link.index, data, greeted=greeted)
        link.tail = data[heard.used :]
        if heard.reply:
            self._write(link, heard.reply)
        if greeted:
            self.refused += heard.refused
        elif heard.rejected:
            self.refused_logins += 1
            self._drop(link)
        elif heard.greeted:
            self._greet(link)
        return heard.answers

    def _greet(self, link: _Link) -> None:
        link.due = deque()
        self._changing.discard(link.index)
        self.by_index[link.index] = link
        self._fresh.append(link)
        self.greeted += 1
        self.logins += 1

    def _write(self, link: _Link, data: bytes) -> None:
        waiting = bool(link.out)
        link.out += data
        if not waiting and link.sock.fileno() in self.links:
            self.epoll.modify(link.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
            self._flush(link)

    def _take(self, link: _Link) -> bytes:
        if self._traffic is None:
            raise RuntimeError("driving has not begun")
        number = max(link.round, self._traffic.oldest)
        link.round = number + 1
        return self._traffic.send(number, link.index)

    def _drop(self, link: _Link) -> None:
        if link.sock.fileno() not in self.links:
            return
        super()._drop(link)
        self._changing.discard(link.index)
        self._waiting.append((time.monotonic() + _RETRY_S, link.index))
        if link.due is None:
            self.closed -= 1  # it never was in
        else:
            self.greeted -= 1
            self._gone += link.owed

    def _publish(self) -> None:
        for place, name in enumerate(TALLY):
            self._tally[place] = getattr(self, name)
