"""Roles that a killed supervisor left behind: waited for, then ended, before a new one starts.

They were told to stop when their supervisor died and are draining. Until they are gone they hold
the ports, and a second worker must not write what the first still writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["end_leftovers", "leftovers"]

_LOOK_EVERY_S: Final = 0.05


def leftovers(data: Path) -> Iterator[int]:
    """Processes that run a role for this data directory; ask only while nobody holds it."""
    run = data / "run"
    for file in run.glob("*-*.json"):
        with contextlib.suppress(OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
            pid = int(msgspec.json.decode(file.read_bytes())["pid"])
            if _runs_role(pid, run / "settings.json"):
                yield pid


async def end_leftovers(data: Path, announce: Callable[[str], None], patience_s: float) -> None:
    """Return when none is left: after ``patience_s`` they are killed."""
    left = list(leftovers(data))
    if not left:
        return
    announce(f"waiting for processes of an earlier start: {', '.join(map(str, left))}")
    settings = data / "run" / "settings.json"
    deadline = time.monotonic() + patience_s
    while left := [pid for pid in left if _runs_role(pid, settings)]:
        if time.monotonic() > deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(_LOOK_EVERY_S)


def _runs_role(pid: int, settings: Path) -> bool:
    """Whether the process was started on that settings file; numbers are given out again."""
    try:
        return os.fsencode(settings) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
