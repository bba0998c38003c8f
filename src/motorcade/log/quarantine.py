"""The quarantine: pieces of a vehicle's stream nobody could read, kept for a person to look at.

One message per tenant and call on ``quarantine.<tenant number>`` holds up to 64 entries as msgpack.
The stream is bounded by bytes, age and messages per tenant, so one tenant's flood pushes out its
own entries first; and every process keeps only so many entries per tenant and second, the others
are counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from nats.aio.msg import Msg

from motorcade.clock import Clock
from motorcade.errors import DependencyError, Invalid
from motorcade.limits import LOG_QUARANTINED_DATA_BYTES_MAX
from motorcade.log.config import Config
from motorcade.log.connection import Connection, refused, wrapped
from motorcade.log.streams import QUARANTINE

__all__ = ["Quarantine", "Quarantined", "QuarantinePage"]

_log = structlog.get_logger(__name__)

_ENTRIES_PER_MESSAGE_MAX: Final = 64
_BURST_S: Final = 5.0
"""A tenant may spend this many seconds' worth of its rate at once."""
_BUCKETS_MAX: Final = 10_000
_TIMEOUT_S: Final = 5.0
_WINDOW_START: Final = 64
_FETCH_MESSAGES: Final = 256
_FETCH_BYTES: Final = 4 << 20


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of a vehicle's stream and why it could not be used."""

    time_us: int
    """When the gateway had it, microseconds UTC."""
    tenant: int
    """Tenant number; 0 where it is not known."""
    protocol: str
    """Name of the protocol's module."""
    peer: str
    """Address the bytes came from."""
    vin: str | None = None
    """The vehicle, where that much could be read."""
    code: str
    """Stable code of the fault: a protocol's (``protocols.frames.Reject``) or the gateway's."""
    reason: str
    """What was wrong, for people."""
    data: bytes
    """The bytes, the first 4 KiB of them."""
    truncated: bool = False
    """Whether there were more."""


class QuarantinePage(NamedTuple):
    """Entries, newest first, and the cursor of the next page (``None``: this was the last)."""

    entries: list[Quarantined]
    next: str | None


class Quarantine:
    """Writes and lists entries; see ``Log.quarantine`` and ``Log.quarantined``."""

    def __init__(self, connection: Connection, config: Config, clock: Clock) -> None:
        self.dropped: Counter[int] = Counter()
        self._connection = connection
        self._rate = config.quarantine_per_s_max
        self._clock = clock
        self._allowance: dict[int, tuple[float, float]] = {}
        self._decoder = msgspec.msgpack.Decoder(list[Quarantined])

    async def add(self, entries: Sequence[Quarantined]) -> int:
        """Store entries; returns how many were kept under their tenants' rates."""
        kept = [_cut(entry) for entry in entries if self._allowed(entry.tenant)]
        for tenant in dict.fromkeys(entry.tenant for entry in kept):
            own = [entry for entry in kept if entry.tenant == tenant]
            for start in range(0, len(own), _ENTRIES_PER_MESSAGE_MAX):
                await self._store(tenant, own[start : start + _ENTRIES_PER_MESSAGE_MAX])
        return len(kept)

    async def page(self, tenant: int | None, limit: int, before: str | None) -> QuarantinePage:
        """Entries of one tenant, or of all (``None``), older than the cursor."""
        with wrapped("look into the quarantine"):
            state = (await self._connection.jetstream().stream_info(QUARANTINE)).state
        high, index = _cursor(before) if before is not None else (state.last_seq + 1, 0)
        subject = "quarantine.>" if tenant is None else f"quarantine.{tenant}"
        found: list[tuple[int, int, Quarantined]] = []
        width = _WINDOW_START
        top = min(high + 1, state.last_seq + 1)
        while len(found) <= limit and top > state.first_seq:
            low = max(top - width, state.first_seq)
            messages = await self._fetch(subject, low, top)
            for sequence, data in reversed(messages):
                for place, entry in _newest_first(self._decode(data)):
                    if sequence < high or place < index:
                        found.append((sequence, place, entry))
            top, width = low, width * 4
        entries = [entry for _, _, entry in found[:limit]]
        if len(found) <= limit or not entries:
            return QuarantinePage(entries, None)
        sequence, place, _ = found[limit - 1]
        return QuarantinePage(entries, f"{sequence}.{place}")

    def _allowed(self, tenant: int) -> bool:
        """A token bucket per tenant."""
        now = self._clock.monotonic_s()
        if len(self._allowance) > _BUCKETS_MAX:
            self._allowance.clear()
        full = self._rate * _BURST_S
        tokens, last = self._allowance.get(tenant, (full, now))
        tokens = min(full, tokens + (now - last) * self._rate)
        if tokens < 1:
            self._allowance[tenant] = (tokens, now)
            self.dropped[tenant] += 1
            return False
        self._allowance[tenant] = (tokens - 1, now)
        return True

    async def _store(self, tenant: int, entries: list[Quarantined]) -> None:
        answer = await self._connection.ask(
            f"quarantine.{tenant}", msgspec.msgpack.encode(entries), _TIMEOUT_S
        )
        if answer.headers and "Status" in answer.headers:
            raise DependencyError("the quarantine does not answer")
        error = msgspec.json.decode(answer.data).get("error")
        if error is not None:
            raise refused(error, "quarantine")

    def _decode(self, data: bytes) -> list[Quarantined]:
        try:
            return self._decoder.decode(data)
        except msgspec.DecodeError as error:
            _log.error("a quarantine message cannot be read", error=str(error))
            return []

    async def _fetch(self, subject: str, low: int, top: int) -> list[tuple[int, bytes]]:
        """Messages of a subject with sequences ``low`` up to but not ``top``, in order."""
        messages: list[tuple[int, bytes]] = []
        while low < top:
            some = await self._fetch_some(subject, low)
            if not some:
                break
            messages += [message for message in some if message[0] < top]
            low = some[-1][0] + 1
        return messages

    async def _fetch_some(self, subject: str, low: int) -> list[tuple[int, bytes]]:
        """One batched direct get (NATS ADR-31): at most 256 messages or about 4 MiB."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        messages: list[tuple[int, bytes]] = []

        def take(msg: Msg | None) -> None:
            if done.done():
                return
            headers: dict[str, Any] = dict(msg.headers or {}) if msg is not None else {}
            if msg is None or headers.get("Status") not in (None, "204", "404"):
                done.set_exception(DependencyError("the quarantine does not answer"))
            elif "Status" in headers:
                done.set_result(None)
            else:
                messages.append((int(headers["Nats-Sequence"]), msg.data))

        wanted = {
            "seq": low,
            "next_by_subj": subject,
            "batch": _FETCH_MESSAGES,
            "max_bytes": _FETCH_BYTES,
        }
        reply = self._connection.expect(take)
        try:
            await self._connection.publish(
                f"$JS.API.DIRECT.GET.{QUARANTINE}", msgspec.json.encode(wanted), reply
            )
            async with asyncio.timeout(_TIMEOUT_S):
                await done
        except TimeoutError as error:
            raise DependencyError("the quarantine does not answer") from error
        finally:
            self._connection.unexpect(reply)
        return messages


def _cut(entry: Quarantined) -> Quarantined:
    if len(entry.data) <= LOG_QUARANTINED_DATA_BYTES_MAX:
        return entry
    data = entry.data[:LOG_QUARANTINED_DATA_BYTES_MAX]
    return msgspec.structs.replace(entry, data=data, truncated=True)


def _newest_first(entries: list[Quarantined]) -> Iterator[tuple[int, Quarantined]]:
    for place in range(len(entries) - 1, -1, -1):
        yield place, entries[place]


def _cursor(before: str) -> tuple[int, int]:
    """``<sequence>.<place in the message>``: what was shown last."""
    sequence, dot, place = before.partition(".")
    if not (
        dot and before.isascii() and sequence.isdigit() and place.isdigit() and len(before) < 40
    ):
        raise Invalid("this is no quarantine cursor", cursor=before[:64])
    return int(sequence), int(place)
