"""`motorcade decode`, `signals`, `bench` and `check-config` as child processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from platforms import FREE_PORTS, command

pytestmark = pytest.mark.processes

REPORT = (
    "232302fe544553543030303030303030303030303101001b190a1b14020201"
    "010301026c0001e2400dac277450012f0fa01400"
)
"""A 2016 report of type 01, by hand: 62.0 km/h, 12,345.6 km, 350 V, 10 A, 80 %; without its BCC."""


def _run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*arguments), input=stdin, capture_output=True, check=False, timeout=60
    )


def _sealed(text: str) -> str:
    data = bytes.fromhex(text)
    check = 0
    for byte in data[2:]:
        check ^= byte
    return text + f"{check:02x}"


def test_a_frame_from_the_command_line_a_pipe_and_a_file(tmp_path: Path) -> None:
    frame = _sealed(REPORT)
    spaced = " ".join(frame[i : i + 2] for i in range(0, len(frame), 2))
    (tmp_path / "frame.bin").write_bytes(bytes.fromhex(frame))
    (tmp_path / "frame.txt").write_text(spaced + "\n\n" + frame + "\n")
    once = _run("decode", "gbt32960", spaced, "--json")
    assert once.returncode == 0, once.stderr
    (message,) = [json.loads(line) for line in once.stdout.splitlines()]
    assert list(message) == [
        "protocol", "message", "vin", "event_time", "signals", "quality", "raw", "reply", "reject",
    ]  # fmt: skip
    assert message["vin"] == "TEST0000000000001"
    assert message["event_time"] == "2025-10-27T12:02:02Z"
    assert message["signals"]["Vehicle.Speed"] == 62.0
    assert message["signals"]["Vehicle.TraveledDistance"] == 12_345_600
    assert message["signals"]["Vehicle.Powertrain.TractionBattery.CurrentCurrent"] == 10.0
    assert message["reject"] is None
    assert message["reply"].startswith("23230201")
    raw = bytes.fromhex(frame)
    for source, stdin in (("-", raw), ("-", frame.encode()), (str(tmp_path / "frame.bin"), b"")):
        assert _run("decode", "gbt32960", source, "--json", stdin=stdin).stdout == once.stdout
    twice = _run("decode", "gbt32960", str(tmp_path / "frame.txt"), "--json")
    assert twice.stdout == once.stdout * 2


def test_a_damaged_frame_is_a_reject_and_exit_status_3() -> None:
    done = _run("decode", "gbt32960", REPORT + "00", "--json")
    assert done.returncode == 3
    (message,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert message["reject"]["code"] == "checksum"
    assert message["signals"] == {}


def test_comments_are_passed_over_and_a_bad_line_is_named(tmp_path: Path) -> None:
    frame, file = _sealed(REPORT), tmp_path / "frames.txt"
    file.write_text(f"# 登录 after the reset\n{frame} # the first\n\n{frame}\n")
    done = _run("decode", "gbt32960", str(file), "--json")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2), done.stderr
    file.write_text(f"{frame}\n{frame[:-1]}g\n")
    done = _run("decode", "gbt32960", str(file), "--json")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"line 2 is not hex: 'g'" in done.stderr
    file.write_text("# nothing\n")
    assert b"nothing to decode" in _run("decode", "gbt32960", str(file)).stderr


def test_what_is_shown_can_be_copied_whole() -> None:
    frame = _sealed(REPORT)
    said = _run("decode", "gbt32960", frame).stdout.decode()
    reply = json.loads(_run("decode", "gbt32960", frame, "--json").stdout)["reply"]
    assert f"  reply {reply}\n" in said
    shown = next(line.split() for line in said.splitlines() if "Vehicle.Speed " in line)
    assert shown == ["Vehicle.Speed", "62.0"]


def test_the_version_is_said() -> None:
    assert _run("--version").stdout.startswith(b"motorcade 0.")


@pytest.mark.parametrize(
    "command",
    [
        ("tenant", "add", "acme"),
        ("tenant", "list"),
        ("tenant", "settings", "acme"),
        ("key", "list"),
        ("key", "create", "--role", "reader", "--tenant", "acme"),
        ("key", "create", "--role", "platform"),
        ("vehicle", "list", "--tenant", "acme"),
        ("quarantine",),
        ("status",),
    ],
)
def test_where_there_is_no_data_none_is_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    data = tmp_path / "data"
    done = _run("--data", str(data), *command)
    assert done.returncode == 1
    assert f"there is no Motorcade data in {data}; name yours with --data".encode() in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not data.exists()


@pytest.mark.parametrize("command", [("up",), ("demo",)])
def test_a_data_directory_that_cannot_be_is_one_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    ports = [word for one in FREE_PORTS for word in ("--set", one)]
    (tmp_path / "file").write_text("")
    for data, told in ((tmp_path / "file", b"cannot write in "), (Path("/proc/x"), b"/proc/x: ")):
        done = _run("--data", str(data), *ports, *command)
        assert done.returncode == 1
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("key", "create", "--role", "boss"), b"admin, operator, reader or platform, not 'boss'"),
        (("key", "create", "--role", "reader"), b"give --tenant"),
        (("up", "--set", "api.listen=1.2.3.4:8000"), b"cannot listen at 1.2.3.4:8000: Cannot"),
        (("load", "--target", "127.0.0.1:1"), b"no gateway listens at 127.0.0.1:1: Connection ref"),
        (("load", "--edition", "2020"), b"2020"),
        (("decode", "gbt32960", "no-such-file"), b"neither hex nor a file"),
        (("decode", "gbt32961", "2323"), b"gbt32960"),
        (("decode", "gbt32960", "232"), b"odd number of digits, 3"),
        (("decode", "gbt32960", "2323", "--key", "xy"), b"--key"),
        (("bench", "no-such-bench"), b"there is no bench"),
    ],
)
def test_mistakes_are_one_clear_line(arguments: tuple[str, ...], told: bytes) -> None:
    done = _run(*arguments)
    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_signals_are_searched_and_name_their_protocols() -> None:
    done = _run("signals", "--search", "vehicle speed gbt32960", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    speed = next(row for row in rows if row["path"] == "Vehicle.Speed")
    assert speed["unit"] == "km/h"
    assert speed["protocols"] == ["compact", "gbt32960", "iridium", "jt808"]
    assert b"km/h" in _run("signals", "--search", "Vehicle.Speed").stdout


def test_benches_are_listed() -> None:
    done = _run("bench", "list")
    assert {b"decode", b"ingest", b"twin"} <= {line.split()[0] for line in done.stdout.splitlines()}


def test_check_config_prints_every_key_in_force(tmp_path: Path) -> None:
    file = tmp_path / "motorcade.toml"
    file.write_text("[log]\npartitions = 7\n")
    done = _run("check-config", "--config", str(file), "--json")
    assert json.loads(done.stdout)["log"]["partitions"] == 7
    assert b"[gateway.gbt32960]" in _run("check-config").stdout
