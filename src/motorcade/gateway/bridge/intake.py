"""A batch of a broker's publishes on its way into the log.

In: publishes in their order. Out: rows on disk. Publishes of vehicles nobody registered, and what
cannot be read, go to the quarantine: they are acknowledged too, or the broker would send them for
ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from motorcade.errors import MotorcadeError
from motorcade.gateway.bridge.config import BridgeConfig
from motorcade.gateway.bridge.filters import Template
from motorcade.gateway.bridge.stream import TOO_LARGE
from motorcade.gateway.shared import Shared
from motorcade.gateway.store import store
from motorcade.gateway.wrapped import unwrapped
from motorcade.protocols import mqtt
from motorcade.protocols.frames import Decoded, Frames
from motorcade.protocols.mqtt.framing import frames_from
from motorcade.protocols.mqtt.packets import Publish
from motorcade.protocols.mqtt.topics import is_channel, up
from motorcade.protocols.mqtt.wording import binary, varint
from motorcade.protocols.mqtt.words import PUBLISH
from motorcade.signals.batch import SignalBatch

__all__ = ["Intake"]

_VIN: Final = 17
_RETRY_S: Final = 0.2
_RETRY_MAX_S: Final = 5.0
_log = structlog.get_logger(__name__)


class _Source:
    """What the quarantine calls the peer."""

    def __init__(self, name: str) -> None:
        self._name = name

    def address(self) -> str:
        return self._name


class Intake:
    """Publishes of one bridge; ``take`` returns once they are stored."""

    def __init__(
        self, name: str, config: BridgeConfig, templates: Sequence[Template], shared: Shared
    ) -> None:
        self._templates = templates
        self._channel = config.channel
        self._tenant = config.tenant
        self._fenced = 0
        self._shared = shared
        self._source: Any = _Source(f"bridge {name}")
        self.received = 0
        self.stored = 0
        self.refused = 0

    async def take(self, publishes: Sequence[Publish]) -> None:
        """Returns when every row is on disk; tries again while log or registry are away."""
        self.received += len(publishes)
        self._shared.metrics.frames += len(publishes)
        named = [self._named(one) for one in publishes]
        # What is remembered of other kinds of names must not be found, nor spoilt, by a topic.
        known = await self._known({vin for vin, _ in named if len(vin) == _VIN and vin.isascii()})
        if self._tenant:
            fence = await self._fence()
            known = {vin: who for vin, who in known.items() if who[1] == fence}
        frames: list[bytes] = []
        vehicles: list[tuple[int, int]] = []
        for one, (vin, channel) in zip(publishes, named, strict=True):
            vehicle = known.get(vin)
            if TOO_LARGE in one.properties:
                reason = f"The message has {one.properties[TOO_LARGE]} bytes."
                self._refuse("too_large", reason, one.payload, vin, vehicle[1] if vehicle else 0)
            elif vehicle is None:
                code = "unknown_vin" if vin else "topic"
                self._refuse(code, _REASONS[code].format(one.topic), one.payload, vin)
            else:
                frames.append(_heard(vin, channel, one.payload))
                vehicles.append(vehicle)
        if frames:
            numbers = np.array(vehicles, np.uint64)
            columns = numbers[:, 0], numbers[:, 1].astype(np.uint32)
            await self._store(frames_from(frames).addressed(*columns))

    def _named(self, one: Publish) -> tuple[str, str]:
        for template in self._templates:
            found = template.read(one.topic)
            if found is not None:
                vin, channel = found[0], found[1] or self._channel
                return (vin, channel) if is_channel(channel.encode()) else ("", "")
        return "", ""

    async def _fence(self) -> int:
        """The number of the tenant whose vehicles this broker may speak for; waits until the
        registry knows it: guessing would let one tenant's broker speak for another's cars."""
        pause_s = _RETRY_S
        while not self._fenced:
            try:
                self._fenced = (await self._shared.directory.tenant_named(self._tenant)).number
            except MotorcadeError as error:
                _log.warning("a bridge awaits its tenant", tenant=self._tenant, why=error.detail)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _RETRY_MAX_S)
        return self._fenced

    async def _known(self, vins: set[str]) -> dict[str, tuple[int, int]]:
        """Vehicle and tenant of each VIN that is registered."""
        shared = self._shared
        found: dict[str, tuple[int, int]] = {}
        pause_s = _RETRY_S
        while True:
            now_s = shared.clock.monotonic_s()
            asked: list[str] = []
            for vin in vins - found.keys():
                one = shared.vehicles.get(vin.encode(), now_s)
                if one is None:
                    asked.append(vin)
                elif one.vehicle:
                    found[vin] = (one.vehicle, one.tenant)
            if not asked:
                return found
            try:
                known = await shared.directory.identify("vin", asked)
            except MotorcadeError as error:
                _log.warning("the registry does not answer a bridge", reason=error.detail)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _RETRY_MAX_S)
                continue
            shared.vehicles.learn([vin.encode() for vin in asked], known, now_s)
            found |= {vin: (one.vehicle, one.tenant) for vin, one in known.items()}
            return found

    async def _store(self, frames: Frames) -> None:
        batches = self._decoded(frames)
        pause_s = _RETRY_S
        while True:
            failed = await store(self._shared, batches) if batches else None
            if failed is None:
                break
            # The same rows again: who reads the log drops what it holds twice.
            batches = [part for batch in batches for part in _of(batch, failed, self._shared)]
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _RETRY_MAX_S)
        self.stored += len(frames)

    def _decoded(self, frames: Frames) -> list[SignalBatch]:
        """The rows of all frames; a fault of ours costs the frame that set it off only."""
        shared = self._shared
        now_us, settings = shared.clock.now_us(), shared.settings.by_tenant
        try:
            decoded: Decoded = mqtt.decode(frames, now_us, settings)
            decoded = unwrapped(mqtt, frames, decoded, now_us, settings)
        except Exception:
            if len(frames) == 1:
                _log.exception("a publish cannot be decoded; its bytes are in the quarantine")
                reason = "The platform failed to read this message."
                self._refuse("internal", reason, frames.bytes_of(0), _vin(frames, 0))
                return []
            half = len(frames) // 2
            rows = np.arange(len(frames))
            parts = frames.take(rows[:half]), frames.take(rows[half:])
            return [batch for part in parts for batch in self._decoded(part)]
        for reject in decoded.rejects:
            vin, tenant = _vin(frames, reject.frame), int(frames.tenant[reject.frame])
            self._refuse(
                reject.code, reject.reason, mqtt.payload(frames, reject.frame), vin, tenant
            )
        return list(decoded.batches)

    def _refuse(self, code: str, reason: str, data: bytes, vin: str, tenant: int = 0) -> None:
        self.refused += 1
        self._shared.metrics.rejects[code] += 1
        self._shared.quarantine.add(
            tenant=tenant,
            vin=vin,
            protocol=mqtt.NAME,
            peer=self._source,
            code=code,
            reason=reason,
            data=data,
        )


_REASONS: Final = {
    "unknown_vin": "The VIN is not registered (topic {!r}).",
    "topic": "No template of the bridge fits topic {!r}.",
}


def _heard(vin: str, channel: str, payload: bytes) -> bytes:
    """A publish as a vehicle of ours would have sent it, as ``mqtt.decode`` reads it."""
    topic = binary(up(vin) + channel.encode())
    return bytes([PUBLISH << 4]) + varint(len(topic) + len(payload)) + topic + payload


def _of(batch: SignalBatch, failed: NDArray[np.uint64], shared: Shared) -> list[SignalBatch]:
    """The rows of a batch that belong to partitions that failed."""
    partition = batch.numpy("vehicle") % np.uint64(shared.log.partitions)
    rows = np.flatnonzero(np.isin(partition, failed))
    return [batch.take(rows)] if len(rows) else []


def _vin(frames: Frames, row: int) -> str:
    return mqtt.vins(frames.take(np.array([row])))[0].decode("ascii", "replace")
