"""The connections of one load process: they log in, drive, and come back when they were closed.

In: ``Traffic``, an address, login frames. Out: counts in a shared ``Tally`` while it runs, and the
latency of every answered send. It is ``drive.Links`` and what real vehicles do besides: they look
at the answer's flag, and they connect again.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable, MutableSequence
from typing import Final

from motorcade.simulator.drive import Links, Plan, _Link
from motorcade.simulator.traffic import Traffic

__all__ = ["Road", "TALLY"]

TALLY: Final = ("greeted", "logins", "sends", "answers", "refused", "skipped", "closed")
"""What a process counts, in this order, in its part of the shared memory."""

_CONNECTING_MAX: Final = 512
"""Logins under way at once: below a listener's backlog."""

_RETRY_S: Final = 1.0
"""Pause before a closed or refused connection is tried again."""

_DRAIN_S: Final = 10.0
"""How long answers may take after the last send; what is unanswered then is lost."""

_POLL_S: Final = 0.05
"""The longest wait for sockets, so that a stop is noticed."""

_OK: Final = 1
_HEADER: Final = 25


class Road(Links):
    """``count`` connections; ``hello(index)`` makes a login frame, ``tally`` is written while it
    runs, ``stopped()`` ends it early. ``seconds`` 0 drives until it is stopped."""

    def __init__(
        self,
        address: tuple[str, int],
        count: int,
        *,
        hello: Callable[[int], bytes],
        tally: MutableSequence[float],
        stopped: Callable[[], bool],
        answers_per_send: int = 1,
        seconds: float = 10.0,
        window: int = 1,
        login_timeout_s: float = 60.0,
    ) -> None:
        plan = Plan(
            host=address[0],
            port=address[1],
            hellos=(),
            rounds=lambda number, first, count: (),
            cut=self.cut,
            answers_per_send=answers_per_send,
            duration_s=seconds,
            window=window,
            hello_timeout_s=login_timeout_s,
        )
        super().__init__(plan, 0, count)
        self._hello = hello
        self._tally = tally
        self._stopped = stopped
        self._traffic: Traffic | None = None
        self._waiting: deque[tuple[float, int]] = deque((0.0, index) for index in range(count))
        self._fresh: list[_Link] = []
        self._gone = self._negative = 0
        self._family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.logins = self.refused = self.refused_logins = 0

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
        closed loop where that is 0. Returns the seconds of sending; unanswered sends were waited
        for."""
        self._traffic = traffic
        began = time.monotonic()
        end = began + (self.plan.duration_s or float("inf"))
        if rate_s:
            self._open_loop(began, end, 1.0 / rate_s)
        else:
            self._closed_loop(end)
        seconds = time.monotonic() - began
        deadline = time.monotonic() + _DRAIN_S
        while self.lost > self._gone and self.links and time.monotonic() < deadline:
            for _ in self._poll(_POLL_S):
                pass
        self._publish()
        return seconds

    def cut(self, data: bytes) -> tuple[int, int]:
        """Whole answers in ``data`` and the bytes they take; notes how many of them refuse."""
        count = negative = at = 0
        end = len(data)
        while at + _HEADER <= end:
            size = _HEADER + (data[at + 22] << 8) + data[at + 23]
            if at + size > end:
                break
            negative += data[at + 3] != _OK
            count += 1
            at += size
        self._negative = negative
        return count, at

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
        done = self._poll(timeout_s)
        self._publish()
        return done

    def _open(self, index: int) -> _Link:
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect_ex((self.plan.host, self.plan.port))
        link = _Link(index, sock)
        link.out = self._hello(index)
        self.links[sock.fileno()] = link
        self.epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        return link

    def _settle(self, link: _Link, answers: int) -> int:
        if link.due is not None:
            self.refused += self._negative if answers > 0 else 0
            return super()._settle(link, answers)
        if answers > 0 and self._negative:
            self.refused_logins += 1
            self._drop(link)
        elif answers > 0:
            link.due = deque()
            self.by_index[link.index] = link
            self._fresh.append(link)
            self.greeted += 1
            self.logins += 1
        return 0

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
        self._waiting.append((time.monotonic() + _RETRY_S, link.index))
        if link.due is None:
            self.closed -= 1  # it never was in
        else:
            self.greeted -= 1
            self._gone += link.owed

    def _publish(self) -> None:
        for place, name in enumerate(TALLY):
            self._tally[place] = getattr(self, name)
