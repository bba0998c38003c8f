"""``motorcade demo`` as a person meets it: what it prints is pasted, a process is killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from motorcade.__main__ import main
from motorcade.node.config import load
from motorcade.node.demo import _Outcome, _say_goodbye, _with_data
from motorcade.node.tally import Tally
from platforms import FREE_PORTS

pytestmark = pytest.mark.engines

_VEHICLES = 120


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running demo and what it printed until it was under way."""
    folder = tmp_path_factory.mktemp("demo")
    output = folder / "output"
    command = [sys.executable, "-m", "motorcade", "demo", "--data", str(folder / "data")]
    command += ["--vehicles", str(_VEHICLES), "--tenants", "4", "--rate", "60"]
    command += [word for one in FREE_PORTS for word in ("--set", one)]
    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, text=True)
    try:
        yield process, _until(output, "Ctrl-C ends the demo", process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(300)
    said = output.read_text()
    assert process.returncode == 0, said
    assert "all of them are stored" in said
    for whose in ([], ["--tenant", _shown_tenant(said)]):
        listed = [sys.executable, "-m", "motorcade", "key", "list", "--json", *whose]
        listed += ["--data", str(folder / "data")]
        keys = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
        assert keys
        assert all(json.loads(line)["revoked"] for line in keys.splitlines())


def _shown_tenant(said: str) -> str:
    found = re.search(r"Six things to try, as (\S+):", said)
    assert found is not None
    return found[1]


def _until(output: Path, text: str, process: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        said = output.read_text()
        if text in said:
            return said
        time.sleep(0.1)
    raise AssertionError(output.read_text())


def _pasted(said: str, number: int, seconds: float = 30) -> str:
    """What a shell prints when the command below a title is pasted."""
    lines = said.splitlines()
    title = next(place for place, line in enumerate(lines) if line.startswith(f"{number}. "))
    pasted = subprocess.run(
        ["timeout", str(seconds), "bash", "-c", lines[title + 1]],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert pasted.returncode in (0, 124), pasted.stderr
    return pasted.stdout


def test_without_a_directory_it_takes_one_of_its_own() -> None:
    assert _with_data(load(None, {})).node.data == "data/demo"
    assert _with_data(load(None, {}, ["node.data=data"])).node.data == "data"


class TestLastWords:
    @pytest.mark.parametrize(
        ("outcome", "found", "words"),
        [
            (_Outcome(5, 0), Tally(5), "all of them are stored"),
            (_Outcome(5, 2), Tally(7), "2 were sent and not answered"),
            (_Outcome(5, 0), Tally(3, 2), "2 more are in the log"),
            (_Outcome(5, 0), Tally(3, trouble="no disk"), "could not be read: no disk"),
        ],
    )
    def test_all_is_well(
        self, outcome: _Outcome, found: Tally, words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _say_goodbye(outcome, found, Path("data"))
        assert words in capsys.readouterr().out

    def test_a_fault_is_the_exit_status_too(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def lost(*_: object, **__: object) -> None:
            _say_goodbye(_Outcome(5, 0), Tally(3, 1), Path("data"))

        monkeypatch.setattr("motorcade.node.demo.run_demo", lost)
        monkeypatch.setattr(sys, "argv", ["motorcade", "demo"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        assert "that is a fault, some are missing" in capsys.readouterr().err


def _json(text: str) -> dict[str, object]:
    return dict(httpx.Response(200, text=text).json())


class TestSixThings:
    def test_state_of_a_car(self, demo: tuple[subprocess.Popen[str], str]) -> None:
        state = _json(_pasted(demo[1], 1))
        assert state["vin"] in demo[1]
        assert state["signals"]["Vehicle.Speed"]["value"] >= 0  # type: ignore[index]

    def test_its_last_hour(self, demo: tuple[subprocess.Popen[str], str]) -> None:
        # Where the worker has no time to answer for the newest rows, an answer is without them.
        deadline = time.monotonic() + 60
        rows: list[str] = []
        while len(rows) < 55 and time.monotonic() < deadline:
            header, *rows = _pasted(demo[1], 2).splitlines()
            assert header.replace('"', "").startswith("event_time,")
            assert "Vehicle.Speed" in header
        assert 55 <= len(rows) <= 62

    def test_cars_in_a_box(self, demo: tuple[subprocess.Popen[str], str]) -> None:
        cars = _json(_pasted(demo[1], 3))["vehicles"]
        assert len(cars) > 3  # type: ignore[arg-type]
        assert all(car["signals"]["Vehicle.Speed"] > 20 for car in cars)  # type: ignore[attr-defined]

    def test_live_stream(self, demo: tuple[subprocess.Popen[str], str]) -> None:
        events = [line for line in _pasted(demo[1], 4, 6).splitlines() if line.startswith("data:")]
        assert events
        assert '"Vehicle.Speed"' in events[0]

    def test_decode_a_frame(self, demo: tuple[subprocess.Popen[str], str]) -> None:
        said = _pasted(demo[1], 5)
        assert "Vehicle.Speed" in said
        assert "reject" not in said

    def test_a_command_is_acknowledged(self, demo: tuple[subprocess.Popen[str], str]) -> None:
        taken, said = _pasted(demo[1], 6, 60).splitlines()
        (command,) = _json(said)["commands"]  # type: ignore[misc]
        assert _json(taken)["id"] == command["id"]  # type: ignore[index]
        assert (command["kind"], command["state"]) == ("horn_lights", "succeeded")  # type: ignore[index]

    def test_documentation(self, demo: tuple[subprocess.Popen[str], str]) -> None:
        found = re.search(r"documentation\s+(\S+)", demo[1])
        assert found is not None
        assert httpx.get(found[1], follow_redirects=True).status_code == 200


async def test_cars_come_back_after_the_gateway_was_killed(
    demo: tuple[subprocess.Popen[str], str],
) -> None:
    process, said = demo
    found = re.search(r"kill -9 (\d+)", said)
    car = re.search(r"curl .*Bearer (\S+)' '(\S+)/v1/vehicles/(\S+)/state", said)
    assert found is not None
    assert car is not None
    key, web, vin = car.groups()
    address = f"{web}/v1/vehicles/{vin}/state"
    os.kill(int(found[1]), signal.SIGKILL)
    killed = time.time()
    deadline = time.monotonic() + 60
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as client:
        while time.monotonic() < deadline:
            answer = await client.get(address)
            seen = answer.json().get("event_time", "") if answer.status_code == 200 else ""
            if seen > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(killed + 2)):
                break
            await asyncio.sleep(0.2)
        else:
            raise AssertionError("no car came back")
    assert process.poll() is None
