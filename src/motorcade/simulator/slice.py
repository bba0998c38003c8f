"""One load process: its share of the connections, from first login to its part of the report."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass
from threading import BrokenBarrierError
from typing import Any, Final

import numpy as np

from motorcade.clock import SystemClock
from motorcade.simulator.fleet import CarFleet
from motorcade.simulator.road import TALLY, Road
from motorcade.simulator.speech import Speech
from motorcade.simulator.traffic import Schedule, Traffic
from motorcade.simulator.voices import Voice, speech_of

__all__ = ["Slice", "drive_slice"]

_FASTEST_FRAMES_S: Final = 400_000
"""Where event times advance faster than the clock, they begin so far back that this many frames a
second over all connections of a process do not reach the present."""

_LONGEST_S: Final = 3_600.0
"""For so long, where no end is set."""

_SPARE_DESCRIPTORS: Final = 100


@dataclass(frozen=True, slots=True)
class Slice:
    """What one process drives. ``real_time``: event times are those of the clock; ``past_s``: they
    lie in so many seconds before now instead, and reports are re-issued ones; ``hops_s``
    connections a second change over to another access network."""

    fleet: CarFleet
    voice: Voice
    rate_sends_s: float
    real_time: bool
    past_s: float
    seconds: float
    window: int
    login_timeout_s: float
    hops_s: float = 0.0


def drive_slice(
    part: Slice, barrier: Any, tally: MutableSequence[float], stop: Sequence[int], pipe: Any
) -> None:
    """The whole life of a process: sends (facts, latencies) or what went wrong through ``pipe``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pipe.send(_driven(part, barrier, tally, _stopping(stop)))
    except (OSError, BrokenBarrierError) as error:
        barrier.abort()
        pipe.send(f"load: {error or 'another process failed'}")
    finally:
        pipe.close()


def _stopping(stop: Sequence[int]) -> Callable[[], bool]:
    """Whether the load is to end: it was told so, or its parent is gone."""
    parent = os.getppid()
    return lambda: bool(stop[0]) or os.getppid() != parent


def _driven(
    part: Slice, barrier: Any, tally: MutableSequence[float], stopped: Callable[[], bool]
) -> tuple[dict[str, Any], Any]:
    count = len(part.fleet.starts) - 1
    _allow_descriptors(count + _SPARE_DESCRIPTORS)
    speech = speech_of(part.voice, part.fleet)
    road = Road(
        speech,
        count,
        tally=tally,
        stopped=stopped,
        answers_per_send=part.voice.frames_per_send,
        seconds=part.seconds,
        window=part.window,
        login_timeout_s=part.login_timeout_s,
        hops_s=part.hops_s,
    )
    login_s = road.connect()
    first_logins = road.greeted
    if not first_logins and not stopped():
        refused = f"; {road.refused_logins} were refused" if road.refused_logins else ""
        host, port, _ = speech.address(0)
        raise OSError(f"no car could log in at {host}:{port} in {login_s:.0f} s{refused}")
    barrier.wait(part.login_timeout_s)
    traffic = _traffic(part, speech)
    traffic.send(0, 0)
    barrier.wait(part.login_timeout_s)
    cpu = time.process_time()
    seconds = road.drive(traffic, part.rate_sends_s)
    facts = {
        name: getattr(road, name)
        for name in ("sends", "answers", "lost", "refused", "refused_logins", *TALLY[5:], "logins")
    }
    facts |= {
        "first_logins": first_logins,
        "login_s": login_s,
        "seconds": seconds,
        "cpu_s": time.process_time() - cpu,
    }
    road.close()
    traffic.close()
    return facts, np.frombuffer(road.latencies, dtype=np.float64)


def _traffic(part: Slice, speech: Speech) -> Traffic:
    """The frames. Real event times follow the plan of sending; others advance a second a frame of
    each car, from far enough back."""
    fleet = part.fleet
    connections = len(fleet.starts) - 1
    now = SystemClock().now_us()
    if part.past_s:
        rounds = max(1.0, part.rate_sends_s * part.seconds / connections)
        schedule = Schedule(now - round(part.past_s * 1e6), part.past_s * 1e6 / rounds)
    elif part.real_time:
        step_us = 1e6 / part.rate_sends_s
        schedule = Schedule(now, step_us * connections, step_us)
    else:
        rate = part.rate_sends_s * part.voice.frames_per_send or _FASTEST_FRAMES_S
        ahead_s = 60 + 1.1 * rate / len(fleet.vins) * (part.seconds or _LONGEST_S)
        step_us = 1e6 * part.voice.frames_per_send * connections / len(fleet.vins)
        schedule = Schedule(now - round(ahead_s * 1e6), step_us)
    return Traffic(fleet, schedule, speech, part.voice.frames_per_send)


def _allow_descriptors(wanted: int) -> None:
    """Raise this process's descriptor limit; ``OSError`` where the machine does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise OSError(f"{wanted} connections, but this machine allows {hard} descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
