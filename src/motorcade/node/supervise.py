"""The supervisor: starts child processes in order, waits until each is ready, restarts what dies.

It knows nothing of Motorcade: a ``Child`` is a command, a readiness check and a way to be stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from motorcade.errors import DependencyError
from motorcade.tasks import ended

__all__ = ["Child", "Supervisor"]

_PR_SET_PDEATHSIG = 1
_BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
_STEADY_S = 30.0
_HEALTH_EVERY_S = 2.0
_HEALTH_TIMEOUT_S = 5.0
_HEALTH_STRIKES = 6
_STOP_STRIKES = 3
_LOG_BYTES_MAX = 16 << 20
_TAIL_LINES = 12
_TRACE = re.compile(r"(Traceback|  +File |    |\s*[|+] )")
"""Lines of a Python backtrace other than the error itself."""


@dataclass(slots=True)
class Child:
    """One process to keep alive.

    ``command`` is called at every start (an engine may choose another port); ``ready`` returns
    whether the process serves, and is asked again every two seconds: six failures in a row after
    it was ready once restart it. ``stop_signal`` asks it to end cleanly, within ``stop_s`` seconds;
    one that is still ready then is finishing its work and has ``stop_max_s``.
    """

    name: str
    command: Callable[[], Sequence[str]]
    ready: Callable[[], Awaitable[bool]]
    log_file: Path
    prepare: Callable[[], None] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 10.0
    stop_max_s: float = 0.0
    ready_s: float = 30.0
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    is_ready: bool = False


class Supervisor:
    """Keeps children alive until told to stop; stops them in reverse order."""

    def __init__(
        self,
        announce: Callable[[str], None],
        changed: Callable[[list[dict[str, object]]], None] = lambda states: None,
    ) -> None:
        """``announce`` takes lines for people, ``changed`` the states whenever one is another."""
        self._children: list[Child] = []
        self._announce = announce
        self._changed = changed
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self, children: Sequence[Child]) -> None:
        """Start children side by side, wait until all are ready, and keep them alive from then on.

        Raises ``DependencyError`` with the end of the child's log where one does not get ready.
        """
        self._children += children
        await asyncio.gather(*(self._launch(child) for child in children))
        await asyncio.gather(*(self._until_ready(child) for child in children))
        self._keepers += [
            asyncio.create_task(self._keep(child), name=f"keep-{child.name}") for child in children
        ]
        self._changed(self.states())

    async def stop(self) -> None:
        """Stop every child, last started first; kills what does not end in its time."""
        self._stopping.set()
        await ended(*self._keepers)
        for child in reversed(self._children):
            await self._end(child)
        self._children.clear()

    def states(self) -> list[dict[str, object]]:
        """Name, pid, readiness and restart count of every child."""
        return [
            {
                "name": child.name,
                "pid": child.process.pid if child.process else None,
                "ready": child.is_ready,
                "restarts": child.restarts,
            }
            for child in self._children
        ]

    async def _launch(self, child: Child) -> None:
        if child.prepare is not None:
            await asyncio.to_thread(child.prepare)
        child.is_ready = False
        child.log_file.parent.mkdir(parents=True, exist_ok=True)
        with child.log_file.open("ab") as output:
            child.process = await asyncio.create_subprocess_exec(
                *child.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **child.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent(child.stop_signal),
            )

    async def _until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + child.ready_s
        while time.monotonic() < deadline:
            process = child.process
            if process is not None and process.returncode is not None:
                raise DependencyError(
                    f"{child.name} ended with exit status {process.returncode} while starting; "
                    f"the end of {child.log_file}:\n{_tail(child.log_file)}"
                )
            if await _ask(child.ready):
                child.is_ready = True
                return
            await asyncio.sleep(0.05)
        raise DependencyError(
            f"{child.name} was not ready within {child.ready_s:.0f} s; "
            f"the end of {child.log_file}:\n{_tail(child.log_file)}"
        )

    async def _keep(self, child: Child) -> None:
        """Restart the child whenever it ends or stops answering, with a growing pause."""
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            reason = await self._watch(child)
            failures = 0 if time.monotonic() - started > _STEADY_S else failures + 1
            pause = _BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1] if failures else 0.0
            child.restarts += 1
            child.is_ready = False
            self._say(f"{child.name} {reason}; restarting" + _after(pause))
            self._changed(self.states())
            await asyncio.sleep(pause)
            await self._end(child)
            try:
                await self._launch(child)
                await self._until_ready(child)
                self._changed(self.states())
                self._say(f"{child.name} is back (process {_pid(child)})")
            except Exception as error:  # whatever it is: the next try may go better
                first = (str(error) or type(error).__name__).splitlines()[0]
                self._say(f"{child.name} did not come back: {first}")

    def _say(self, text: str) -> None:
        """Tell whoever started us; a full disk or a closed terminal must not end the keeping."""
        with contextlib.suppress(OSError):
            self._announce(text)

    async def _watch(self, child: Child) -> str:
        """Return why the child needs a restart, once it does."""
        process = child.process
        if process is None:
            return "is not running"
        strikes = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HEALTH_EVERY_S):
                    await process.wait()
            if process.returncode is not None:
                return f"ended with exit status {process.returncode}"
            _rotate(child.log_file)
            strikes = 0 if await _ask(child.ready) else strikes + 1
            if child.is_ready != (strikes == 0):
                child.is_ready = strikes == 0
                self._changed(self.states())
            if strikes >= _HEALTH_STRIKES:
                return "does not answer"

    async def _end(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(child.stop_signal)
        began = time.monotonic()
        if await _ends(process, child.stop_s) or await self._finishes(child, process, began):
            return
        self._say(f"{child.name} did not stop within {time.monotonic() - began:.0f} s; killed")
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _finishes(
        self, child: Child, process: asyncio.subprocess.Process, began: float
    ) -> bool:
        """Whether a child that needs longer than ``stop_s`` ends by itself: for as long as it shows
        that it works it is let, up to ``stop_max_s``."""
        told, strikes = False, 0
        while strikes < _STOP_STRIKES and time.monotonic() - began < child.stop_max_s:
            strikes = 0 if await _ask(child.ready) else strikes + 1
            if not strikes and not told:
                self._say(f"{child.name} is still finishing its work; waiting for it")
                told = True
            if await _ends(process, _HEALTH_EVERY_S):
                return True
        return False


async def _ends(process: asyncio.subprocess.Process, within_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await process.wait()
        return True
    return False


async def _ask(ready: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(_HEALTH_TIMEOUT_S):
            return await ready()
    except (OSError, TimeoutError, DependencyError):
        return False


def _pid(child: Child) -> int:
    return child.process.pid if child.process else 0


def _after(pause_s: float) -> str:
    return f" in {pause_s:g} s" if pause_s else ""


def _tail(path: Path, size: int = 8000) -> str:
    """The last lines of a log that say something: what went wrong, without the way to it."""
    try:
        lines = path.read_bytes()[-size:].decode(errors="replace").splitlines()
    except OSError:
        return "(no log)"
    said = [line for line in lines if line.strip() and not _TRACE.match(line)]
    return "\n".join(f"  {line}" for line in said[-_TAIL_LINES:])


def _rotate(path: Path) -> None:
    """Keep a log and its predecessor within ``_LOG_BYTES_MAX`` each.

    The child appends, so cutting its open file to nothing is safe; what it writes between the copy
    and the cut is lost, which logs bear.
    """
    with contextlib.suppress(OSError):
        if path.stat().st_size > _LOG_BYTES_MAX:
            shutil.copyfile(path, path.with_name(path.name + ".1"))
            os.truncate(path, 0)


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """Ask Linux to end the child when its supervisor is killed, so that none is left behind."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def request() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal))

    return request
