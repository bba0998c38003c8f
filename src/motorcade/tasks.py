"""Ending tasks: cancelled until they really are at an end, because a cancellation can be lost.

``asyncio.wait_for`` of Python 3.11 returns instead of raising where what it waits for ends in the
moment of the cancellation, and libraries use it; who cancels once and waits may wait for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

__all__ = ["ended"]

_AGAIN_S: Final = 5.0
"""Longer than cleaning up takes, which a second cancellation would cut short; a lost cancellation
is rare, and waiting for it costs nobody anything."""


async def ended(*tasks: asyncio.Future[Any]) -> list[BaseException]:
    """Cancel ``tasks`` and wait until they are done; what they failed with, cancellations aside.

    One that goes on is cancelled again every few seconds. Cancelling the caller cancels them once
    more and ends the waiting: where one ``ended`` waits for another, the inner one's time is never
    up before the outer one's.
    """
    open_ = {task for task in tasks if not task.done()}
    while open_:
        for task in open_:
            task.cancel()
        try:
            _, open_ = await asyncio.wait(open_, timeout=_AGAIN_S)
        except asyncio.CancelledError:
            for task in open_:
                task.cancel()
            raise
    found = await asyncio.gather(*tasks, return_exceptions=True)
    faults = (one for one in found if isinstance(one, BaseException))
    return [one for one in faults if not isinstance(one, asyncio.CancelledError)]
