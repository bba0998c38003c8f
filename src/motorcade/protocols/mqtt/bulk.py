"""Publishes of many vehicles encoded at once, for the simulator and load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Frames
from motorcade.protocols.mqtt.framing import frames_from
from motorcade.protocols.mqtt.wording import varint
from motorcade.protocols.mqtt.words import PUBLISH, V5

__all__ = ["encode_reports", "publish_all", "report_packets"]


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
    return frames_from(
        report_packets(
            vins,
            event_time,
            columns,
            packet_ids=packet_ids,
            version=version,
            qos=qos,
            channel=channel,
            reissued=reissued,
        )
    )


def report_packets(
    vins: Sequence[str],
    event_time: NDArray[np.int64],
    columns: Mapping[str, NDArray[Any]],
    *,
    packet_ids: Sequence[int] | None = None,
    version: int = V5,
    qos: int = 1,
    channel: str = "json",
    reissued: bool = False,
) -> list[bytes]:
    """The publishes of ``encode_reports`` one by one."""
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
    ids = packet_ids or [1] * len(vins)
    return _packets(vins, payloads, ids, version=version, qos=qos, channel=channel)


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
    return frames_from(_packets(vins, payloads, ids, version=version, qos=qos, channel=channel))


def _packets(
    vins: Sequence[str],
    payloads: Sequence[bytes],
    ids: Sequence[int],
    *,
    version: int,
    qos: int,
    channel: str,
) -> list[bytes]:
    first = bytes([PUBLISH << 4 | qos << 1])
    tail = b"\0" if version == V5 else b""
    end = f"/up/{channel}".encode()
    more = len(tail) + (2 if qos else 0)
    heads: dict[str, bytes] = {}
    packets = []
    for vin, number, payload in zip(vins, ids, payloads, strict=True):
        head = heads.get(vin)
        if head is None:
            topic = b"v/" + vin.encode() + end
            head = heads[vin] = len(topic).to_bytes(2, "big") + topic
        size = _SIZES.get(len(head) + more + len(payload)) or varint(
            len(head) + more + len(payload)
        )
        if qos:
            packets.append(first + size + head + number.to_bytes(2, "big") + tail + payload)
        else:
            packets.append(first + size + head + tail + payload)
    return packets


_SIZES: Final = {size: varint(size) for size in range(2048)}
"""The remaining lengths that readings have."""


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
