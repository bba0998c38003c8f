"""``motorcade load`` against the real platform: both kinds of links, Ctrl-C, clear refusals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from motorcade.errors import Invalid, NotFound
from motorcade.node.config import Settings
from motorcade.node.load import LoadPlan, gateway_address, run_load
from platforms import FREE_PORTS


def _settings(data: Path) -> Settings:
    return Settings({"node": {"data": str(data)}})


class TestAddress:
    def test_without_a_gateway_there_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="motorcade up"):
            gateway_address(_settings(tmp_path))

    @pytest.mark.parametrize(
        ("target", "address"),
        [
            ("127.0.0.1:5", ("127.0.0.1", 5)),
            ("0.0.0.0:5", ("127.0.0.1", 5)),
            ("[::1]:5", ("::1", 5)),
        ],
    )
    def test_named(self, tmp_path: Path, target: str, address: tuple[str, int]) -> None:
        assert gateway_address(_settings(tmp_path), target) == address

    @pytest.mark.parametrize("target", ["", "host", "127.0.0.1:", "127.0.0.1:99999", "a:b"])
    def test_malformed(self, tmp_path: Path, target: str) -> None:
        with pytest.raises(Invalid, match=r"(?i)host:port"):
            gateway_address(_settings(tmp_path), target)

    def test_other_machines_are_refused_before_anything_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(Invalid, match="this machine only"):
            asyncio.run(run_load(_settings(tmp_path), LoadPlan(target="192.0.2.1:32960")))
        assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of a running platform."""
    folder = tmp_path_factory.mktemp("load")
    command = [sys.executable, "-m", "motorcade", "up", "--data", str(folder / "data")]
    doors = ("gateway.iridium.listen=127.0.0.1:0", "gateway.compact.udp_listen=127.0.0.1:0")
    command += [word for one in (*FREE_PORTS, *doors) for word in ("--set", one)]
    output = folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 90
    while "ready in" not in output.read_text():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)
    yield folder / "data"
    process.send_signal(signal.SIGINT)
    process.wait(60)


def _command(data: Path, *more: str) -> list[str]:
    base = [sys.executable, "-m", "motorcade", "load", "--data", str(data), "--json"]
    return [*base, "--vehicles", "40", "--tenants", "4", *more]


def _load(data: Path, *more: str) -> dict[str, Any]:
    done = subprocess.run(
        _command(data, *more), capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.engines
def test_a_connection_a_car(data: Path) -> None:
    report = _load(data, "--rate", "80", "--seconds", "2", "--edition", "mixed")
    assert report["links"] == "terminal"
    assert report["logins"] == report["connections"] == 40
    assert 150 <= report["acknowledged"] == report["sent"]
    assert report["lost"] == report["refused"] == 0


@pytest.mark.engines
@pytest.mark.parametrize("protocol", ["jt808", "mqtt", "satellite", "compact", "mixed"])
def test_cars_of_every_protocol(data: Path, protocol: str) -> None:
    """Registered, named and given secrets before they come; a second run finds them as they are."""
    for _ in range(2):
        report = _load(data, "--protocol", protocol, "--rate", "80", "--seconds", "1.5")
        assert report["protocol"] == ("iridium" if protocol == "satellite" else protocol)
        assert report["logins"] == report["connections"] == 40
        assert 80 <= report["acknowledged"] == report["sent"]
        assert report["lost"] == report["refused"] == report["refused_logins"] == 0
    assert _tokens(data) == []


def _tokens(data: Path) -> list[str]:
    """Ids of the tokens that cars of the first automaker have."""
    end = ["--data", str(data), "--json", "--tenant", "aurelia-motors"]
    vehicle = [sys.executable, "-m", "motorcade", "vehicle"]

    def lines(*words: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*vehicle, *words, *end], capture_output=True, text=True, check=True, timeout=60
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    vin = lines("list")[0]["vin"]
    return [one["id"] for one in lines("token", "list", vin) if one["kind"] == "token"]


@pytest.mark.engines
def test_cars_change_over(data: Path) -> None:
    report = _load(data, "--protocol", "mqtt", "--rate", "80", "--seconds", "3", "--hops", "10")
    assert report["hops"] >= 10
    assert report["logins"] == 40 + report["hops"]
    assert report["acknowledged"] == report["sent"]
    assert report["closed"] == 0


@pytest.mark.engines
def test_what_cannot_be(data: Path) -> None:
    for words in (["--protocol", "telex"], ["--protocol", "mqtt", "--connections", "4"],
                  ["--protocol", "mixed", "--target", "127.0.0.1:1"]):  # fmt: skip
        done = subprocess.run(
            _command(data, *words), capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr


@pytest.mark.engines
def test_shared_connections(data: Path) -> None:
    report = _load(
        data, "--rate", "0", "--seconds", "2", "--connections", "8", "--frames-per-send", "10"
    )
    assert report["links"] == "platform"
    assert 0 < report["acknowledged"] == report["sent"]


def _connections(pid: int) -> int:
    """Connections of its children that are up."""
    children = psutil.Process(pid).children(recursive=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        return sum(
            peer.status == psutil.CONN_ESTABLISHED
            for child in children
            for peer in child.net_connections("tcp")
        )
    return 0


@pytest.mark.engines
def test_ctrl_c_ends_it_with_a_report(data: Path) -> None:
    process = subprocess.Popen(
        _command(data, "--rate", "40", "--seconds", "600"), stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while _connections(process.pid) < 40:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(said)["seconds"] < 60
