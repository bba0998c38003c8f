"""Input nobody could read, kept for people to look at: bounded in rate and size, written once in
a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from motorcade.clock import Clock
from motorcade.errors import MotorcadeError
from motorcade.gateway.metrics import Metrics
from motorcade.gateway.peers import Peer
from motorcade.limits import LOG_QUARANTINED_DATA_BYTES_MAX
from motorcade.log.log import Quarantined

__all__ = ["Quarantine"]


class Quarantine:
    """Collects entries; ``flush`` hands them to the log. Above the rate they are only counted."""

    def __init__(
        self,
        write: Callable[[Sequence[Quarantined]], Awaitable[object]],
        per_s_max: int,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._write = write
        self._per_s_max = per_s_max
        self._clock = clock
        self._metrics = metrics
        self._left = per_s_max
        self._entries: list[Quarantined] = []

    def room(self) -> int:
        """Entries that may still be added in this second."""
        return self._left

    def skipped(self, count: int) -> None:
        """``count`` pieces found no room and were not offered."""
        self._metrics.quarantine_skipped += max(0, count)

    def add(
        self,
        *,
        tenant: int,
        vin: str,
        protocol: str,
        peer: Peer,
        code: str,
        reason: str,
        data: bytes,
    ) -> None:
        """Keep one piece (its first 4 KiB), if this second has room for it."""
        if self._left <= 0:
            self.skipped(1)
            return
        self._left -= 1
        self._entries.append(
            Quarantined(
                time_us=self._clock.now_us(),
                tenant=tenant,
                vin=vin or None,
                protocol=protocol,
                peer=peer.address(),
                code=code,
                reason=reason,
                data=data[:LOG_QUARANTINED_DATA_BYTES_MAX],
                truncated=len(data) > LOG_QUARANTINED_DATA_BYTES_MAX,
            )
        )

    async def flush(self) -> None:
        """Write what came together. What the log does not take is counted and forgotten."""
        self._left = self._per_s_max
        entries, self._entries = self._entries, []
        if not entries:
            return
        try:
            await self._write(entries)
        except MotorcadeError:
            self.skipped(len(entries))
