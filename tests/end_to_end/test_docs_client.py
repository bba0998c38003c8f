"""The page a vehicle's maker reads: its client runs, its bytes are the tested vectors' and its
table is the decoder's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from motorcade.protocols.gbt32960 import tables_2016, tables_2025
from motorcade.protocols.gbt32960.answers import answer_one
from motorcade.protocols.gbt32960.layout import Field, Item, Segment
from platforms import RunningPlatform, running_platform

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocols" / "gbt32960.md").read_text(encoding="utf-8")
VIN = "LTEST000000000001"

pytestmark = pytest.mark.xdist_group("platform")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def _client(platform: RunningPlatform, folder: Path, vin: str) -> str:
    """What the page's client prints, run as the page says."""
    file = folder / "client.py"
    file.write_text(_blocks("python")[0], encoding="utf-8")
    host, port = platform.gbt32960
    done = subprocess.run(
        [sys.executable, str(file), host, str(port), vin],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("docs_client")) as running:
        running.cli("tenant", "add", "acme", "--wmi", VIN[:3])
        yield running


def _until(question: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@pytest.mark.engines
def test_the_pages_client_stores_a_report(platform: RunningPlatform, tmp_path: Path) -> None:
    said = _client(platform, tmp_path, VIN)
    assert "command 01 answered with flag 01" in said, said
    assert "command 02 answered with flag 01" in said, said
    headers = {"Authorization": f"Bearer {platform.key('reader', 'acme')}"}
    url = f"{platform.http}/v1/vehicles/{VIN}/state"

    def shown() -> bool:
        answer = httpx.get(url, headers=headers, timeout=20)
        if answer.status_code != 200:
            return False
        signals = answer.json()["signals"]
        return bool(
            signals.get("Vehicle.Speed", {}).get("value") == 60.1
            and signals["Vehicle.CurrentLocation.Latitude"]["value"] == 39.901496
        )

    _until(shown)


@pytest.mark.engines
def test_an_unregistered_vin_is_refused_and_seen(platform: RunningPlatform, tmp_path: Path) -> None:
    vin = "LZZTEST0000000001"
    said = _client(platform, tmp_path, vin)
    assert "command 01 answered with flag 02" in said
    assert said.splitlines()[-1] == "refused: is this VIN not registered?"

    def seen() -> bool:
        lines = platform.cli("quarantine", "--json").stdout.splitlines()
        codes = {one["code"] for one in map(json.loads, lines) if one["vin"] == vin}
        return codes == {"unknown_vin"}

    _until(seen)


def _hex(block: str) -> bytes:
    """The bytes of an annotated frame: what stands before two blanks on each line."""
    return b"".join(bytes.fromhex(re.split(r"\s{2,}", line)[0]) for line in block.splitlines())


def test_the_annotated_frames_are_vectors() -> None:
    lines = (ROOT / "tests" / "vectors" / "gbt32960.jsonl").read_text(encoding="utf-8")
    known = {one["id"]: bytes.fromhex(one["hex"]) for one in map(json.loads, lines.splitlines())}
    login, report, answer = map(_hex, _blocks("text"))
    assert (login, report) == (known["2016-login"], known["2016-vehicle"])
    assert answer == answer_one(report, 1, True, 0)


def _rows(edition: int) -> Iterator[tuple[str, str, str]]:
    """Type, place and signal of every row of the table that speaks of the edition."""
    kind = ""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 4:
            continue
        place = cells[0 if edition == 2016 else 1]
        if cells[2].startswith("**"):
            kind = place.strip("*")
        elif cells[2].startswith("`"):
            yield kind, place, cells[2].strip("`")


def _places(item: Item) -> Iterator[tuple[str, str, str]]:
    """The same of one item of the decoder's tables."""
    kind = f"{item.type:02X}"
    repeated = "stack " if item.name == "fuel cell stacks" else "pack "

    def of(segment: Segment, prefix: str) -> Iterator[tuple[str, str, str]]:
        for field in segment.fields:
            yield kind, f"{prefix}{field.at}:{field.width}", _name(segment, field)
        for field in segment.elements:
            place = f", {field.at}:{field.width}" if len(segment.elements) > 1 else ""
            yield kind, f"each {segment.each}{place}", _name(segment, field)
        if segment.hexes:
            yield kind, "bytes", segment.hexes.removeprefix("Vehicle.")
        if segment.repeats:
            yield from of(segment.repeats, repeated)

    for number, segment in enumerate(item.segments):
        yield from of(segment, "then " if number else "")


def _name(segment: Segment, field: Field) -> str:
    instance = f"{segment.instances}N." if segment.instances and field in segment.elements else ""
    return (instance + field.path).removeprefix("Vehicle.")


@pytest.mark.parametrize(
    ("edition", "items"), [(2016, tables_2016.ITEMS), (2025, tables_2025.ITEMS)]
)
def test_the_table_of_items_is_the_decoders(edition: int, items: tuple[Item, ...]) -> None:
    told = {row for row in _rows(edition) if row[1]}
    assert told == {row for item in items for row in _places(item)}
