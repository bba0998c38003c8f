"""Commands to satellite modems: over connections of our own to the satellite network's gateway.

In: commands for modems, by IMEI. Out: DirectIP messages, one connection each, offered again while
the network's gateway is away, slow or full. A command that still waits is not taken twice. What
comes of a message is logged and counted; whether the vehicle did it is its own answer's to tell.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass

import structlog

from motorcade.clock import Clock
from motorcade.errors import CapacityError, DependencyError, FrameError, Invalid, MessageError
from motorcade.limits import (
    SATELLITE_ANSWER_S,
    SATELLITE_ATTEMPTS_MAX,
    SATELLITE_CONNECTIONS_MAX,
    SATELLITE_WAITING_MAX,
)
from motorcade.log.downlink import Downlinked
from motorcade.protocols.commands import Command
from motorcade.protocols.iridium.downlink import (
    MtConfirmation,
    MtSession,
    encode_command,
    encode_mt,
)
from motorcade.tasks import ended

__all__ = ["SatelliteDownlink"]

_READ_BYTES = 4096
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A payload on its way; ``deadline_us`` 0: whenever."""

    imei: str
    payload: bytes
    deadline_us: int


class SatelliteDownlink:
    """The way to the modems of one network. ``outcomes`` counts what became of messages: ``queued``
    (the network's gateway has it), its refusals by word, ``unanswered``, ``expired``."""

    def __init__(
        self,
        host: str,
        port: int,
        clock: Clock,
        *,
        retry_s: float = 2.0,
        answer_s: float = SATELLITE_ANSWER_S,
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        self._host = host
        self._port = port
        self._clock = clock
        self._retry_s = retry_s
        self._answer_s = answer_s
        self._client_id = clock.now_us() // 1_000_000
        self._queue: deque[_Waiting] = deque()
        self._waiting: set[tuple[str, bytes]] = set()
        self._workers: set[asyncio.Task[None]] = set()

    def send(self, identity: str, command: Command) -> Downlinked:
        """Take a command for the modem ``identity``; it goes out in the background."""
        try:
            sealed = encode_command(command, identity)
            encode_mt(identity, sealed.data, 0)
            self.put(identity, sealed.data, command.deadline_us)
        except Invalid as error:
            return Downlinked(code="invalid", detail=error.detail)
        except CapacityError as error:
            return Downlinked(code="busy", detail=error.detail)
        return Downlinked(code="sent", key=sealed.key)

    def put(self, imei: str, payload: bytes, deadline_us: int = 0) -> None:
        """Queue a payload; one that still waits is not queued again. ``CapacityError`` where too
        many wait."""
        if (imei, payload) in self._waiting:
            return
        if len(self._waiting) >= SATELLITE_WAITING_MAX:
            raise CapacityError("too many messages wait for the satellite network's gateway")
        self._waiting.add((imei, payload))
        self._queue.append(_Waiting(imei, payload, deadline_us))
        if len(self._workers) < SATELLITE_CONNECTIONS_MAX:
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def deliver(self, imei: str, payload: bytes) -> MtConfirmation:
        """Offer a payload once. ``DependencyError`` where the network's gateway does not answer as
        one."""
        self._client_id += 1
        session = MtSession(encode_mt(imei, payload, self._client_id))
        try:
            async with asyncio.timeout(self._answer_s):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    writer.write(session.data_to_send())
                    while session.confirmation is None:
                        data = await reader.read(_READ_BYTES)
                        if not data:
                            raise DependencyError("the connection ended without a confirmation")
                        session.receive_data(data)
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError, FrameError, MessageError) as error:
            reason = str(error) or type(error).__name__
            raise DependencyError(f"the satellite network's gateway: {reason}") from error
        return session.confirmation

    async def settled(self) -> None:
        """Returns when nothing waits any more."""
        while self._workers:
            await asyncio.wait(self._workers)

    async def close(self) -> None:
        """Give up what waits; it is sent again when no answer comes to it."""
        workers = list(self._workers)
        await ended(*workers)

    async def _work(self) -> None:
        while self._queue:
            one = self._queue.popleft()
            try:
                outcome = await self._offer(one)
            except Exception:
                _log.exception("a message for a satellite modem could not be sent", imei=one.imei)
                outcome = "bug"
            finally:
                self._waiting.discard((one.imei, one.payload))
            self.outcomes[outcome] += 1
            if outcome != "queued":
                _log.warning("a satellite modem's message is given up", imei=one.imei, why=outcome)

    async def _offer(self, one: _Waiting) -> str:
        """Offer a message until it is taken, refused for good, late, or offered often enough."""
        outcome = "unanswered"
        for attempt in range(SATELLITE_ATTEMPTS_MAX):
            if attempt:
                await asyncio.sleep(self._retry_s * 2 ** (attempt - 1))
            if one.deadline_us and self._clock.now_us() >= one.deadline_us:
                return "expired"
            try:
                said = await self.deliver(one.imei, one.payload)
            except DependencyError as error:
                outcome = "unanswered"
                _log.info("a ground gateway did not take a message", reason=error.detail)
                continue
            outcome = said.word
            if not said.is_retryable:
                break
        return outcome
