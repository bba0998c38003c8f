"""Documentation that cannot go stale: settings, README commands, links between pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from motorcade.node.config import keys
from motorcade.node.settings_page import page

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def test_the_settings_page_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == page()


def test_every_setting_says_what_it_means() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.*)` \| (.*) \|$", page(), re.MULTILINE)
    explained = {name for name, _, _ in rows}
    assert {key.rpartition(".")[2] for key, _ in keys()} <= explained
    tables = set(re.findall(r"^## `\[(.+)\]`$", page(), re.MULTILINE))
    assert {key.rpartition(".")[0] for key, _ in keys()} <= tables
    assert not [name for name, _, meaning in rows if len(meaning) < 10]


@pytest.mark.parametrize("file", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (file.parent / target).exists(), f"{file.name} links to {target}"


def test_readme_commands_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    known = subprocess.run(
        [sys.executable, "-m", "motorcade", "--help"], capture_output=True, text=True, check=True
    ).stdout
    used = set(re.findall(r"motorcade (?:--\w+ \S+ )?([a-z][a-z-]+)\b", text))
    assert {name for name in used if name not in known} == set()
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in re.findall(r"^make (\w+)", text, re.MULTILINE):
        assert f"\n{name}:" in targets


def test_every_room_is_in_the_house() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for folder in (ROOT / "src" / "motorcade").iterdir():
        if folder.is_dir() and not folder.name.startswith("_"):
            assert f"  {folder.name}/" in text
