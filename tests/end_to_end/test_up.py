"""`motorcade up` as a user meets it: the command line, one car's way through, kills, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from motorcade.protocols import gbt32960
from platforms import RunningPlatform, command, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("platform")]

VIN = "LSGTESTA0XX000001"
_BEIJING_S = 8 * 3600


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("up")) as running:
        running.cli("tenant", "add", "acme", "--wmi", "LSG")
        running.cli("tenant", "add", "other")
        assert _talk(running, _login(time.time()))[0][3] == 1
        yield running


def _frame(number: int, data: bytes, vin: str = VIN) -> bytes:
    head = b"##" + bytes([number, 0xFE]) + vin.encode() + b"\x01" + len(data).to_bytes(2, "big")
    return gbt32960.seal(head + data + b"\0")


def _time(at_s: float) -> bytes:
    at = time.gmtime(at_s + _BEIJING_S)
    return bytes([at.tm_year - 2000, *at[1:6]])


def _login(at_s: float) -> bytes:
    return _frame(1, _time(at_s) + b"\x00\x01" + b"89860000000000000001" + b"\x01\x00")


def _report(at_s: float, speed_kmh: float) -> bytes:
    """Type 01 of the 2016 edition, written out: 20 bytes after its number."""
    vehicle = bytes.fromhex("010301") + round(speed_kmh * 10).to_bytes(2, "big")
    vehicle += bytes.fromhex("00001388 0dac 2774 50 01 2f 0fa0 1400".replace(" ", ""))
    return _frame(2, _time(at_s) + b"\x01" + vehicle)


def _talk(platform: RunningPlatform, *frames: bytes) -> list[bytes]:
    """Send frames one by one on one connection; the answer to each."""
    answers = []
    with socket.create_connection(platform.gbt32960, timeout=20) as link:
        for frame in frames:
            link.sendall(frame)
            answers.append(_answer(link))
    return answers


def _answer(link: socket.socket) -> bytes:
    got = b""
    while len(got) < 25 or len(got) < 25 + int.from_bytes(got[22:24], "big"):
        more = link.recv(4096)
        assert more, f"the gateway closed after {got.hex()}"
        got += more
    return got


def _until(question: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := question():
                return found
        except (httpx.HTTPError, OSError, AssertionError, KeyError, ValueError):
            pass
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def _get(platform: RunningPlatform, key: str, path: str) -> httpx.Response:
    return httpx.get(platform.http + path, headers={"Authorization": f"Bearer {key}"}, timeout=20)


def test_a_car_is_answered_live_and_in_history_within_seconds(platform: RunningPlatform) -> None:
    key, now = platform.key("reader", "acme"), time.time()
    login, report = _talk(platform, _login(now), _report(now, 61.5))
    assert (login[3], report[3]) == (1, 1)
    answered = time.monotonic()
    state = _until(lambda: _get(platform, key, f"/v1/vehicles/{VIN}/state").raise_for_status(), 5)
    speed = state.json()["signals"]["Vehicle.Speed"]
    assert speed["value"] == 61.5
    # To the second: in its newest one the twin shows the newest record's time, a link's here.
    assert speed["time"][:19] == datetime.fromtimestamp(int(now), UTC).isoformat()[:19]
    history = _get(platform, key, f"/v1/vehicles/{VIN}/history?signals=Vehicle.Speed&from=-1h")
    rows = [row for row in history.json()["rows"] if row["kind"] == "report"]
    assert [row["signals"]["Vehicle.Speed"] for row in rows] == [61.5]
    assert time.monotonic() - answered < 5


def test_a_resent_record_is_seen_once(platform: RunningPlatform) -> None:
    key, at = platform.key("reader", "acme"), time.time() - 600
    frame = _report(at, 33.3)
    again = gbt32960.seal(frame[:2] + b"\x03" + frame[3:])
    answers = _talk(platform, _login(at), frame, frame, again)
    assert [answer[3] for answer in answers] == [1, 1, 1, 1]
    query = f"/v1/vehicles/{VIN}/history?signals=Vehicle.Speed&from=-11m&to=-9m"
    rows = _until(lambda: _get(platform, key, query).json()["rows"])
    assert [row["signals"]["Vehicle.Speed"] for row in rows if row["kind"] == "report"] == [33.3]


def test_another_tenants_key_sees_nothing(platform: RunningPlatform) -> None:
    key = platform.key("admin", "other")
    assert _get(platform, key, f"/v1/vehicles/{VIN}/state").status_code == 404
    assert _get(platform, key, "/v1/vehicles").json()["vehicles"] == []


def test_what_cannot_be_read_lies_in_quarantine(platform: RunningPlatform) -> None:
    broken = bytearray(_report(time.time(), 10.0))
    broken[30] ^= 0xFF
    with socket.create_connection(platform.gbt32960, timeout=20) as link:
        link.sendall(bytes(broken) + _login(time.time()))
        assert _answer(link)[3] == 1
    found = _until(
        lambda: [
            entry
            for line in platform.cli("quarantine", "--json").stdout.splitlines()
            if (entry := json.loads(line))["hex"] == bytes(broken).hex()
        ]
    )
    assert "checksum" in found[0]["code"] or "check" in found[0]["reason"].lower()


def test_a_second_up_says_who_holds_the_directory(platform: RunningPlatform) -> None:
    done = platform.cli("up", check=False)
    assert done.returncode == 1
    assert str(platform.process.pid) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_second_up_does_not_share_the_ports(platform: RunningPlatform, tmp_path: Path) -> None:
    """The listeners share their ports among themselves; another platform is not let in."""
    listen = platform.http.removeprefix("http://")
    done = subprocess.run(
        command("up", "--data", str(tmp_path / "other"), "--set", f"api.listen={listen}"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    port = listen.rpartition(":")[2]
    assert f"motorcade: port {port} is held by another motorcade" in done.stderr
    assert "--set api.listen=127.0.0.1:" in done.stderr
    assert not (tmp_path / "other").exists()


def test_a_second_demo_leaves_the_first_platform_alone(platform: RunningPlatform) -> None:
    done = platform.cli("demo", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert str(platform.process.pid) in done.stderr
    assert (platform.data / "run" / "settings.json").exists()


def test_status_says_what_runs(platform: RunningPlatform) -> None:
    processes = {
        process["name"]: process
        for line in platform.cli("status", "--json").stdout.splitlines()
        if (process := json.loads(line))
    }
    assert set(processes) == {"nats", "postgres", "worker-0", "gateway-0", "api-0"}
    assert all(process["ready"] for process in processes.values())
    assert processes["api-0"]["pid"] == platform.pid("api")
    assert processes["api-0"]["addresses"] == {"http": [platform.http]}
    shown = platform.cli("status").stdout
    assert str(platform.process.pid) in shown
    assert ":".join(map(str, platform.gbt32960)) in shown


def test_accounts_and_settings_of_a_tenant(platform: RunningPlatform) -> None:
    platform.cli("tenant", "account", "add", "hub", "--tenant", "other", "--password", "secret")
    assert "hub" in platform.cli("tenant", "account", "list", "--tenant", "other").stdout
    platform.cli("tenant", "account", "remove", "hub", "--tenant", "other")
    assert platform.cli("tenant", "account", "list", "--tenant", "other").stdout == "none\n"
    platform.cli("tenant", "settings", "other", "--set", "history_retention_days=30")
    shown = platform.cli("tenant", "settings", "other", "--set", "vin_check_digit=true").stdout
    assert json.loads(shown)["history_retention_days"] == 30
    assert json.loads(shown)["vin_check_digit"] is True


def test_facts_come_as_json(platform: RunningPlatform) -> None:
    tenants = [json.loads(x) for x in platform.cli("tenant", "list", "--json").stdout.splitlines()]
    assert {"acme", "other"} <= {tenant["name"] for tenant in tenants}
    vehicles = platform.cli("vehicle", "list", "--tenant", "acme", "--json").stdout
    assert json.loads(vehicles.splitlines()[0])["vin"] == VIN


def test_an_import_is_all_or_nothing(platform: RunningPlatform, tmp_path: Path) -> None:
    file = tmp_path / "cars.csv"
    file.write_text(f"vin,model\nLSGTESTA0XX000077,a\n{VIN},b\nLSGTESTIOQX000078,c\n")
    done = platform.cli("vehicle", "import", "--tenant", "acme", str(file), check=False)
    assert done.returncode == 1
    assert "line 3" in done.stderr
    assert "line 4" in done.stderr
    file.write_text("vin,model\nLSGTESTA0XX000077,a\nLSGTESTA0XX000078,c\n")
    report = platform.cli("vehicle", "import", "--tenant", "acme", str(file), "--json").stdout
    assert json.loads(report)["added"] == 2


@pytest.mark.parametrize("name", ["gateway", "worker", "api", "nats", "postgres"])
def test_a_killed_process_comes_back(platform: RunningPlatform, name: str) -> None:
    key, now = platform.key("reader", "acme"), time.time()
    before = platform.pid(name)
    os.kill(before, signal.SIGKILL)
    _until(lambda: platform.pid(name) != before, 40)
    _until(lambda: _talk(platform, _login(now), _report(now, 12.5))[1][3] == 1, 40)

    def shown() -> bool:
        state = _get(platform, key, f"/v1/vehicles/{VIN}/state").raise_for_status().json()
        return bool(state["signals"]["Vehicle.Speed"]["value"] == 12.5)

    _until(shown, 40)


def test_ctrl_c_stops_everything_and_the_second_start_finds_all(
    tmp_path: Path,
) -> None:
    with running_platform(tmp_path) as running:
        running.cli("tenant", "add", "acme", "--wmi", "LSG")
        now = time.time()
        assert _talk(running, _login(now), _report(now, 44.0))[1][3] == 1
        pids = [running.pid(n) for n in ("gateway", "worker", "api", "nats", "postgres")]
        assert running.stop() == 0
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    with running_platform(tmp_path) as running:
        key = running.key("reader", "acme")
        state = _get(running, key, f"/v1/vehicles/{VIN}/state").json()
        assert state["signals"]["Vehicle.Speed"]["value"] == 44.0


def test_help_and_mistakes_are_clear() -> None:
    done = subprocess.run(command("--help"), capture_output=True, text=True, check=True)
    for name in ("up", "gateway", "worker", "api", "demo", "load", "bench", "decode", "signals"):
        assert name in done.stdout
    wrong = subprocess.run(
        command("check-config", "--set", "api.lisen=x"), capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1
    assert "did you mean api.listen" in wrong.stderr
