"""Commands on their way to gateways: one request a gateway for all of a turn's, several at a time.

In: tries with their links. Out: what the gateways said of each, or that they did not say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from motorcade.apps.commands.flights import Flight
from motorcade.apps.commands.turn import Result
from motorcade.errors import DependencyError, MotorcadeError
from motorcade.log.downlink import (
    Downlink,
    Downlinked,
    down_subject,
    pack_downlinks,
    read_downlinked,
)
from motorcade.tasks import ended

__all__ = ["Sender"]

_log = structlog.get_logger(__name__)

_REQUEST_MAX: Final = 500
"""Commands of one request: with the longest parameters below the bus's largest message."""


class _Log(Protocol):
    async def request(
        self, subject: str, payload: bytes = b"", timeout_s: float | None = None
    ) -> bytes: ...


class Sender:
    """Asks gateways in the background; ``done`` gets what they said."""

    def __init__(
        self,
        log: _Log,
        timeout_s: float,
        now_us: Callable[[], int],
        done: Callable[[list[Result]], None],
    ) -> None:
        self._log = log
        self._timeout_s = timeout_s
        self._now_us = now_us
        self._done = done
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, flights: Sequence[Flight]) -> None:
        """Ask each link's gateway."""
        groups: dict[str, list[Flight]] = {}
        for flight in flights:
            if flight.link is not None:
                groups.setdefault(flight.link.incarnation, []).append(flight)
        for incarnation, group in groups.items():
            for start in range(0, len(group), _REQUEST_MAX):
                part = group[start : start + _REQUEST_MAX]
                task = asyncio.create_task(self._ask(incarnation, part))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for no reply any more."""
        await ended(*self._tasks)

    async def _ask(self, incarnation: str, flights: list[Flight]) -> None:
        at_us = self._now_us()
        said: Sequence[Downlinked | None] = [None] * len(flights)
        try:
            downlinks = [
                Downlink(
                    link=flight.link.link if flight.link else "",
                    vehicle=flight.vehicle,
                    command=flight.row.command(),
                )
                for flight in flights
            ]
            reply = await self._log.request(
                down_subject(incarnation), pack_downlinks(downlinks), self._timeout_s
            )
            found = read_downlinked(reply)
            if len(found) == len(flights):
                said = found
            else:
                _log.error("a gateway answered other commands", gateway=incarnation)
        except DependencyError as error:
            if error.detail.startswith("nobody serves"):
                gone = Downlinked(code="no_link", detail="its gateway is gone")
                said = [gone] * len(flights)
            else:
                _log.warning("a gateway does not answer", gateway=incarnation, why=error.detail)
        except MotorcadeError as error:
            _log.error("a gateway failed", gateway=incarnation, why=error.detail)
        except Exception:  # a fault of ours: what waits for a word must get one
            _log.exception("a gateway could not be asked", gateway=incarnation)
        self._done([Result(flight, one, at_us) for flight, one in zip(flights, said, strict=True)])
