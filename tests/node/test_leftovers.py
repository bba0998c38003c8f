"""Roles of a killed supervisor: only those are waited for, and ended where they stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from motorcade.node.leftovers import end_leftovers, leftovers

_STAYS = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(600)"
)


def _role(data: Path, settings: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _STAYS, "--config", str(settings)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    (data / "run").mkdir(exist_ok=True)
    (data / "run" / "worker-0.json").write_text(json.dumps({"pid": process.pid}))
    return process


@pytest.mark.parametrize("is_ours", [True, False])
async def test_only_processes_of_this_directory_are_ended(tmp_path: Path, is_ours: bool) -> None:
    settings = (tmp_path if is_ours else tmp_path / "other") / "run" / "settings.json"
    said: list[str] = []
    with _role(tmp_path, settings) as process:
        try:
            assert list(leftovers(tmp_path)) == ([process.pid] if is_ours else [])
            await end_leftovers(tmp_path, said.append, 0.1)
            assert bool(said) is is_ours
            if is_ours:
                assert process.wait(10) == -9
            else:
                assert process.poll() is None
        finally:
            process.kill()


async def test_nothing_is_waited_for_where_nothing_is_left(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for number, text in enumerate(("", "{}", "[]", '{"pid": "x"}', f'{{"pid": {os.getpid()}}}')):
        (run / f"worker-{number}.json").write_text(text)
    said: list[str] = []
    await end_leftovers(tmp_path, said.append, 0.1)
    assert said == []
