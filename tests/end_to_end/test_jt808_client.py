"""The JT/T 808 page's client against a whole platform, as the page says it is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from platforms import RunningPlatform, command, running_platform

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocols" / "jt808.md").read_text(encoding="utf-8")
VIN, PHONE = "LTEST000000000002", "13900000001"

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("platform")]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("jt808_client")) as running:
        for line in re.findall(r"`motorcade (tenant add [^`]*|vehicle add [^`]*)`", PAGE):
            running.cli(*line.split())
        yield running


def _client(
    platform: RunningPlatform, folder: Path, phone: str
) -> subprocess.CompletedProcess[str]:
    """What the page's client prints, run as the page says."""
    file = folder / "client.py"
    (source,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    file.write_text(source, encoding="utf-8")
    host, port = platform.door("jt808")
    return subprocess.run(
        [sys.executable, str(file), host, str(port), phone],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _until(question: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def test_the_pages_client_stores_its_positions(platform: RunningPlatform, tmp_path: Path) -> None:
    done = _client(platform, tmp_path, PHONE)
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    assert said == [[f"{serial:04x}020000", "stored"] for serial in range(3, 13)]
    headers = {"Authorization": f"Bearer {platform.key('reader', 'acme')}"}
    vehicle = f"{platform.http}/v1/vehicles/{VIN}"

    def shown() -> bool:
        answer = httpx.get(f"{vehicle}/state", headers=headers, timeout=20)
        if answer.status_code != 200:
            return False
        signals = {path: one["value"] for path, one in answer.json()["signals"].items()}
        return (
            signals.get("Vehicle.Speed"),
            signals.get("Vehicle.CurrentLocation.Latitude"),
            signals.get("Vehicle.Connectivity.Protocol"),
        ) == (60.1, 31.2304, "JT808_2013")

    _until(shown)


def test_an_unknown_phone_is_refused_and_seen(platform: RunningPlatform, tmp_path: Path) -> None:
    done = _client(platform, tmp_path, "13900000002")
    assert done.returncode == 1
    assert done.stderr.startswith("not registered")

    def entries() -> list[dict[str, Any]]:
        lines = platform.cli("quarantine", "--json").stdout.splitlines()
        return [one for one in map(json.loads, lines) if one["code"] == "unknown_vin"]

    _until(entries)
    frame = _decoded(entries()[0]["hex"])
    assert (frame["message"], frame["vin"]) == ("terminal registration", "13900000002")


def _decoded(hexed: str) -> dict[str, Any]:
    """What the page recommends for any frame: `motorcade decode jt808 HEX`."""
    done = subprocess.run(
        command("decode", "jt808", hexed, "--json"), capture_output=True, text=True, check=False
    )
    return dict(json.loads(done.stdout.splitlines()[0]))
