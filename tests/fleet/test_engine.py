"""The embedded PostgreSQL: starts, dies, comes back with what was committed."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import psycopg
import pytest

from engines import start_postgres
from motorcade.errors import CorruptionError, DependencyError
from motorcade.fleet.engine import Config, EmbeddedPostgres

pytestmark = pytest.mark.engines


def _count(engine: EmbeddedPostgres) -> int:
    with psycopg.connect(engine.url) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def test_a_killed_server_comes_back_with_what_was_committed(tmp_path: Path) -> None:
    engine = start_postgres(tmp_path)
    try:
        with psycopg.connect(engine.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, 100)")
        url = engine.url
        engine.kill()
        assert not engine.ready()
        assert (tmp_path / "postgres/data/postmaster.pid").exists()
        engine.start()
        assert engine.url == url
        assert _count(engine) == 100
        # A lock file that names a living stranger must not stop us: process ids are used again.
        engine.kill()
        lock = tmp_path / "postgres/data/postmaster.pid"
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        engine.start()
        assert _count(engine) == 100
    finally:
        engine.stop()
    assert engine.pid is None
    assert not engine.ready()


def test_a_server_whose_supervisor_died_is_replaced(tmp_path: Path) -> None:
    first = start_postgres(tmp_path)
    left = first.pid
    assert left is not None
    second = EmbeddedPostgres(tmp_path / "postgres")
    second.start()
    try:
        assert second.pid not in (None, left)
        first.stop()
        assert second.ready()
    finally:
        second.stop()


def test_a_supervisor_runs_it_as_its_child(tmp_path: Path) -> None:
    engine = EmbeddedPostgres(tmp_path / "postgres")
    with pytest.raises(DependencyError):
        engine.command()
    engine.prepare()
    engine.prepare()
    with subprocess.Popen(engine.command(), stderr=subprocess.DEVNULL) as child:
        try:
            while not engine.ready():
                assert child.poll() is None
            assert engine.pid == child.pid
            assert engine.stop_signal == signal.SIGINT
        finally:
            child.send_signal(engine.stop_signal)
            assert child.wait(20) == 0


def test_nothing_listens_on_the_network_and_nobody_else_may_enter(tmp_path: Path) -> None:
    engine = start_postgres(tmp_path)
    try:
        kinds = {entry.family for entry in psutil.Process(engine.pid).net_connections("inet")}
        assert not kinds
        assert (tmp_path / "postgres").stat().st_mode & 0o077 == 0
        assert (tmp_path / "postgres/socket").stat().st_mode & 0o077 == 0
    finally:
        engine.stop()


def test_a_path_too_long_for_a_socket_is_served_from_elsewhere(tmp_path: Path) -> None:
    engine = EmbeddedPostgres(tmp_path / ("d" * 90) / "postgres", Config(fsync=False))
    engine.start()
    try:
        assert engine.ready()
    finally:
        engine.stop()


def test_half_made_and_foreign_directories(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "rest").write_text("of a killed initdb")
    engine = EmbeddedPostgres(tmp_path / "postgres")
    engine.prepare()
    assert not half.exists()
    foreign = tmp_path / "other" / "data"
    foreign.mkdir(parents=True)
    (foreign / "letter.txt").write_text("not a cluster")
    with pytest.raises(CorruptionError):
        EmbeddedPostgres(tmp_path / "other").prepare()
    assert (foreign / "letter.txt").exists()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root could mistake another's folder for its own"
)
def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    engine = EmbeddedPostgres(tmp_path / "postgres", Config(fsync=False))
    sockets = tmp_path / "postgres" / "socket"
    sockets.mkdir(parents=True)
    os.chown(sockets, 12_345, 12_345)
    with pytest.raises(DependencyError, match="someone else"):
        engine.prepare()
    sockets.rmdir()
    sockets.symlink_to(tmp_path)
    with pytest.raises(DependencyError, match="someone else"):
        engine.prepare()
