"""What a gateway asks of frames before it decodes them, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from motorcade.errors import MessageError
from motorcade.protocols.frames import Frames
from motorcade.protocols.mqtt.hearing import VIN
from motorcade.protocols.mqtt.layout import CHANNEL_AT, VIN_BYTES, layout, types
from motorcade.protocols.mqtt.packets import Connect, Disconnect, read_packet
from motorcade.protocols.mqtt.session import identity_of
from motorcade.protocols.mqtt.topics import ANSWER
from motorcade.protocols.mqtt.words import CONNECT, DISCONNECT, PUBLISH, V5
from motorcade.wire.ragged import gather

__all__ = ["channels", "inner", "inner_rows", "is_login", "is_record", "payload", "vins"]

_IDENTITY_BYTES = 20


def is_record(frames: Frames) -> NDArray[np.bool_]:
    """Which frames are publishes, but for answers to commands: bool (n)."""
    record: NDArray[np.bool_] = types(frames) == PUBLISH
    if record.any():
        found = layout(frames)
        wanted = ANSWER.encode()
        size = CHANNEL_AT + len(wanted)
        likely = np.flatnonzero(record & found.good & (found.topic_len == size))
        if len(likely):
            names = gather(frames.buffer, found.topic_at[likely] + CHANNEL_AT, len(wanted))
            record[likely[(names == np.frombuffer(wanted, np.uint8)).all(axis=1)]] = False
    return record


def is_login(frames: Frames) -> NDArray[np.bool_]:
    """Which frames are CONNECTs, readable or not: bool (n)."""
    login: NDArray[np.bool_] = types(frames) == CONNECT
    return login


def vins(frames: Frames) -> list[bytes]:
    """The VIN every frame names: of a publish by its topic, of CONNECT what it claims, of a heard
    DISCONNECT its session's; empty for all others."""
    found = [b""] * len(frames)
    kind = types(frames)
    published = kind == PUBLISH
    if published.any():
        where = layout(frames)
        fits = np.flatnonzero(published & where.good & (where.topic_len > CHANNEL_AT))
        names = gather(frames.buffer, where.topic_at[fits] + 2, VIN_BYTES)
        texts: list[bytes] = names.view(f"S{VIN_BYTES}").ravel().tolist()
        if len(texts) == len(frames):
            return texts
        for row, name in zip(fits.tolist(), texts, strict=True):
            found[row] = name
    for row in np.flatnonzero((kind == CONNECT) | (kind == DISCONNECT)).tolist():
        found[row] = _named(frames.bytes_of(row))
    return found


def channels(frames: Frames) -> list[bytes]:
    """The channel of every publish; frames that are none have an empty one."""
    only = _channel_of_all(frames) if len(frames) else None
    if only is not None:
        return [only] * len(frames)
    found = [b""] * len(frames)
    rows = np.flatnonzero(types(frames) == PUBLISH)
    if not len(rows):
        return found
    where = layout(frames)
    good, begin = where.good[rows], where.topic_at[rows] + CHANNEL_AT
    end = np.where(good, begin - CHANNEL_AT + where.topic_len[rows], 0)
    data = frames.buffer.tobytes()
    for row, start, stop in zip(rows.tolist(), begin.tolist(), end.tolist(), strict=True):
        found[row] = data[start:stop]
    return found


def _channel_of_all(frames: Frames) -> bytes | None:
    """The channel of all publishes, as nearly all ticks have one; None where they differ, a frame
    is none, or its parts reach beyond it."""
    where = layout(frames)
    size = where.topic_len - CHANNEL_AT
    wide = int(size[0])
    if wide <= 0 or not ((size == wide) & where.good & (types(frames) == PUBLISH)).all():
        return None
    names = gather(frames.buffer, where.topic_at + CHANNEL_AT, wide)
    return names[0].tobytes() if (names == names[0]).all() else None


def inner(frames: Frames) -> Mapping[str, NDArray[np.int64]]:
    """Protocol name to the rows whose payload is frames of that protocol: those whose channel is
    called so."""
    found: dict[str, list[int]] = {}
    names = _protocols()
    told = channels(frames)
    if names.keys().isdisjoint(told):
        return {}
    for row, channel in enumerate(told):
        name = names.get(channel)
        if name is not None:
            found.setdefault(name, []).append(row)
    return {name: np.array(rows, np.int64) for name, rows in found.items()}


def inner_rows(frames: Frames) -> NDArray[np.bool_]:
    """Which publishes go to a channel that is called like a protocol: bool (n)."""
    names = _protocols()
    told = channels(frames)
    if names.keys().isdisjoint(told):
        return np.zeros(len(frames), bool)
    return np.fromiter((channel in names for channel in told), bool, len(frames))


def payload(frames: Frames, row: int) -> bytes:
    """The payload of a publish."""
    found = layout(frames.take(np.array([row])))
    at = int(found.payload_at[0])
    return frames.buffer[at : at + int(found.payload_len[0])].tobytes()


@lru_cache(maxsize=1)
def _protocols() -> Mapping[bytes, str]:
    """Channel to the name of the protocol it is called by; asked for once, all modules loaded."""
    from motorcade.protocols import names

    return {name.encode(): name for name in names() if name != "mqtt"}


def _named(frame: bytes) -> bytes:
    try:
        packet = read_packet(frame, V5)
    except MessageError:
        return b""
    name = ""
    if isinstance(packet, Connect):
        name = identity_of(packet)
    elif isinstance(packet, Disconnect):
        name = dict(packet.properties.get("user_property", ())).get(VIN, "")
    return name.encode("ascii", "replace")[:_IDENTITY_BYTES]
