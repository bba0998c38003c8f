"""What a gateway asks of frames before it decodes them, as columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Frames
from motorcade.protocols.gbt32960.words import COMMAND, LOGIN, REALTIME, REISSUE

__all__ = ["commands", "is_login", "is_record", "vins"]


def commands(frames: Frames) -> NDArray[np.uint8]:
    """The command of every frame: uint8 (n)."""
    return frames.buffer[frames.offset + 2]


def is_record(frames: Frames) -> NDArray[np.bool_]:
    """Which frames are reports (02, 03) and no answers: bool (n). They go straight to
    ``decode``."""
    command = commands(frames)
    asked = frames.buffer[frames.offset + 3] == COMMAND
    record: NDArray[np.bool_] = ((command == REALTIME) | (command == REISSUE)) & asked
    return record


def is_login(frames: Frames) -> NDArray[np.bool_]:
    """Which frames are vehicles' logins (01), readable or not: bool (n)."""
    asked = frames.buffer[frames.offset + 3] == COMMAND
    login: NDArray[np.bool_] = (commands(frames) == LOGIN) & asked
    return login


def vins(frames: Frames) -> list[bytes]:
    """The 17 bytes of every frame's VIN field."""
    windows = np.ndarray(
        (max(len(frames.buffer) - 16, 0),), dtype="V17", buffer=frames.buffer, strides=(1,)
    )
    found: list[bytes] = windows[frames.offset + 4].tolist()
    return found
