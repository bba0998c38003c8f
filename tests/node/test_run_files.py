"""The data directory's lock and the roles' own files, between real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from motorcade.errors import Conflict, Invalid, NotFound
from motorcade.node.run_files import (
    DataLock,
    RoleFile,
    check_present,
    check_unheld,
    holder,
    settings_in_force,
)

_HOLD = (
    "import sys, time; from pathlib import Path; from motorcade.node.run_files import DataLock; "
    "DataLock(Path(sys.argv[1])).acquire('motorcade up'); print('held', flush=True); "
    "time.sleep(600)"
)


def test_a_second_holder_is_told_who_has_it(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Conflict, match=rf"process {other.pid} \(`motorcade up`"):
            DataLock(tmp_path).acquire("motorcade up")
        found = holder(tmp_path)
        assert found is not None
        assert found.pid == other.pid
        with pytest.raises(Conflict, match=str(other.pid)):
            check_unheld(tmp_path)
    finally:
        other.kill()
        other.wait()
        if other.stdout is not None:
            other.stdout.close()
    assert holder(tmp_path) is None
    lock = DataLock(tmp_path)
    lock.acquire("motorcade up")
    lock.release()


def test_where_nothing_runs_no_settings_are_lent(tmp_path: Path) -> None:
    assert settings_in_force(tmp_path) is None


def test_a_role_is_alive_while_its_file_is_fresh_and_its_own(tmp_path: Path) -> None:
    role = RoleFile(tmp_path, "gateway", 0)
    assert not role.is_alive(os.getpid())
    role.write({"listeners": {}})
    assert role.is_alive(os.getpid())
    assert not role.is_alive(os.getpid() + 1)
    os.utime(role.path, (0, 0))
    assert not role.is_alive(os.getpid())
    role.touch()
    assert role.is_alive(os.getpid())
    role.remove()
    assert role.read() is None


def test_a_data_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert holder(file) is None
    with pytest.raises(Invalid, match=r"cannot write in .*file: it is not a directory"):
        DataLock(file).acquire("motorcade up")
    with pytest.raises(Invalid, match="cannot write in /proc/motorcade: "):
        DataLock(Path("/proc/motorcade")).acquire("motorcade up")


def test_a_directory_without_our_data_is_told_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no Motorcade data in"):
        check_present(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
