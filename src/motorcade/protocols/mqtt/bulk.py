"""Publishes of many vehicles encoded at once, for the simulator and load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Frames
from motorcade.protocols.mqtt.framing import frames_from
from motorcade.protocols.mqtt.wording import varint
from motorcade.protocols.mqtt.words import PUBLISH, V5

__all__ = ["encode_reports", "publish_all"]


def encode_reports(
    vins: Sequence[str],
    event_time: NDArray[np.int64],
    columns: Mapping[str, NDArray[Any]],
    *,
    packet_ids: Sequence[int] | None = None,
    version: int = V5,
    qos: int = 1,
    channel: str = "json",
    reissued: bool = False,
) -> Frames:
    """``n`` publishes of one JSON reading each, end to end in the buffer.

    ``event_time`` µs UTC (n), ``columns`` by VSS path in catalogue units: (n), or (n, m) for list
    signals; enumerations as codes or words. NaN is left out. ``packet_ids`` default to 1.
    """
    paths = list(columns)
    table = zip(*(_listed(columns[path]) for path in paths), strict=True)
    whole = all(_complete(columns[path]) for path in paths)
    encode = msgspec.json.encode
    payloads = []
    for time, values in zip(event_time.tolist(), table, strict=True):
        signals = dict(zip(paths, values, strict=True))
        if not whole:
            signals = {path: value for path, value in signals.items() if value is not None}
        reading: dict[str, Any] = {"ts": time, "signals": signals}
        if reissued:
            reading["reissued"] = True
        payloads.append(encode(reading))
    return publish_all(
        vins, payloads, packet_ids=packet_ids, version=version, qos=qos, channel=channel
    )


def publish_all(
    vins: Sequence[str],
    payloads: Sequence[bytes],
    *,
    packet_ids: Sequence[int] | None = None,
    version: int = V5,
    qos: int = 1,
    channel: str = "json",
) -> Frames:
    """One publish per vehicle and payload, end to end in the buffer."""
    ids = packet_ids or [1] * len(vins)
    first = bytes([PUBLISH << 4 | qos << 1])
    tail = b"\0" if version == V5 else b""
    end = f"/up/{channel}".encode()
    topics = {vin: b"v/" + vin.encode() + end for vin in set(vins)}
    packets = []
    for vin, number, payload in zip(vins, ids, payloads, strict=True):
        topic = topics[vin]
        head = len(topic).to_bytes(2, "big") + topic
        middle = number.to_bytes(2, "big") + tail if qos else tail
        size = varint(len(head) + len(middle) + len(payload))
        packets.append(b"".join((first, size, head, middle, payload)))
    return frames_from(packets)


def _complete(values: NDArray[Any]) -> bool:
    floating = np.asarray(values).dtype.kind == "f"
    return not floating or not bool(np.isnan(np.asarray(values)).any())


def _listed(values: NDArray[Any]) -> list[Any]:
    """A column as JSON's values; NaN is null. A float32 is written with its own few decimals."""
    values = np.asarray(values)
    if values.dtype == np.float32:
        values = np.round(values.astype(np.float64), 6)
    if _complete(values):
        return list(values.tolist())
    found = values.astype(object)
    found[np.isnan(values)] = None
    return list(found.tolist())
