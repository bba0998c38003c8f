"""Lines to a full disk are dropped and counted, never an error."""

from __future__ import annotations

import os
from pathlib import Path

from motorcade.node.lossy import LossyText


def test_lines_without_room_are_dropped_and_counted(tmp_path: Path) -> None:
    file = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    full = os.open("/dev/full", os.O_WRONLY)
    kept = os.dup(file)
    lossy = LossyText(file)
    try:
        print("line 0", file=lossy, flush=True)
        os.dup2(full, file)
        print("line 1", file=lossy, flush=True)
        print("line 2", file=lossy, flush=True)
        lost = lossy.lost
        os.dup2(kept, file)
        print("line 3", file=lossy, flush=True)
    finally:
        for descriptor in (file, full, kept):
            os.close(descriptor)
    assert lost >= 2
    assert lossy.lost == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0] == "line 0"
    assert lines[-1] == "line 3"
    assert "lines lost: no room" in lines[1]
