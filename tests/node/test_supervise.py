"""The supervisor, with real processes: start, readiness, restart, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from motorcade.errors import CorruptionError, DependencyError
from motorcade.node.supervise import Child, Supervisor

_SERVE = "import pathlib,sys,time; pathlib.Path(sys.argv[1]).write_text('up'); time.sleep(600)"


def _child(tmp_path: Path, program: str = _SERVE, **options: float) -> Child:
    flag = tmp_path / "flag"

    async def ready() -> bool:
        return flag.exists()

    return Child(
        name="child",
        command=lambda: [sys.executable, "-c", program, str(flag)],
        prepare=lambda: flag.unlink(missing_ok=True),
        ready=ready,
        log_file=tmp_path / "child.log",
        **options,  # type: ignore[arg-type]
    )


async def _until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = condition()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not come about within 20 s")


def _pid(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_killed_child_comes_back_and_a_stopped_one_does_not(tmp_path: Path) -> None:
    said: list[str] = []
    child = _child(tmp_path)
    supervisor = Supervisor(said.append)
    await supervisor.start([child])
    first = _pid(child)
    os.kill(first, signal.SIGKILL)
    await _until(lambda: child.restarts == 1 and child.is_ready and _pid(child) != first)
    assert any("restarting" in line for line in said)
    assert f"child is back (process {_pid(child)})" in said
    second = _pid(child)
    await supervisor.stop()
    assert not _exists(second)


async def test_a_child_that_ends_at_once_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = _child(tmp_path, "print('the disk is on fire', flush=True); raise SystemExit(3)")
    supervisor = Supervisor(lambda _: None)
    with pytest.raises(DependencyError, match=r"exit status 3(.|\n)*the disk is on fire"):
        await supervisor.start([child])
    await supervisor.stop()


async def test_of_a_long_backtrace_only_what_matters_is_told(tmp_path: Path) -> None:
    program = "def f(n):\n    f(n - 1) if n else 1 / 0\nprint('before')\nf(9)"
    supervisor = Supervisor(lambda _: None)
    with pytest.raises(DependencyError) as caught:
        await supervisor.start([_child(tmp_path, program)])
    await supervisor.stop()
    assert caught.value.detail.endswith("ZeroDivisionError: division by zero")
    assert "File" not in caught.value.detail
    assert len(caught.value.detail.splitlines()) <= 13


async def test_a_child_that_never_serves_is_told(tmp_path: Path) -> None:
    child = _child(tmp_path, "import time; time.sleep(600)", ready_s=0.3)
    supervisor = Supervisor(lambda _: None)
    with pytest.raises(DependencyError, match="not ready within"):
        await supervisor.start([child])
    pid = _pid(child)
    await supervisor.stop()
    assert not _exists(pid)


async def test_a_child_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + _SERVE
    child = _child(tmp_path, program, stop_s=0.3)
    said: list[str] = []
    supervisor = Supervisor(said.append)
    await supervisor.start([child])
    pid = _pid(child)
    await supervisor.stop()
    assert not _exists(pid)
    assert any("killed" in line for line in said)


async def test_a_full_disk_or_broken_child_does_not_end_the_keeping(tmp_path: Path) -> None:
    """Nobody can be told, and the child cannot even be prepared for a while: it comes back."""

    def announce(_: str) -> None:
        raise OSError(28, "No space left on device")

    child, troubles = _child(tmp_path), [CorruptionError("damaged"), ValueError("a bug")]
    usual = child.prepare

    def prepare() -> None:
        if troubles and child.restarts:
            raise troubles.pop()
        if usual is not None:
            usual()

    child.prepare = prepare
    supervisor = Supervisor(announce)
    await supervisor.start([child])
    before = _pid(child)
    os.kill(before, signal.SIGKILL)
    await _until(lambda: child.is_ready and _pid(child) != before)
    assert not troubles
    await supervisor.stop()


async def test_a_long_log_is_cut_and_its_predecessor_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motorcade.node.supervise._LOG_BYTES_MAX", 1000)
    monkeypatch.setattr("motorcade.node.supervise._HEALTH_EVERY_S", 0.05)
    child = _child(tmp_path, "print('x' * 2000, flush=True); " + _SERVE)
    supervisor = Supervisor(lambda _: None)
    await supervisor.start([child])
    kept = tmp_path / "child.log.1"
    await _until(lambda: kept.exists() and child.log_file.stat().st_size == 0)
    assert kept.stat().st_size > 1000
    await supervisor.stop()


_FINISHES = (
    "import pathlib,signal,sys,time; "
    "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit(0))); "
    "pathlib.Path(sys.argv[1]).write_text('up'); time.sleep(600)"
)


async def test_a_child_that_finishes_its_work_is_waited_for(tmp_path: Path) -> None:
    for most_s, ended in ((60.0, 0), (0.0, -signal.SIGKILL)):
        said: list[str] = []
        child = _child(tmp_path, _FINISHES, stop_s=0.1, stop_max_s=most_s)
        supervisor = Supervisor(said.append)
        await supervisor.start([child])
        await supervisor.stop()
        assert child.process is not None
        assert child.process.returncode == ended
        assert ("finishing" in said[-1]) == (ended == 0)
