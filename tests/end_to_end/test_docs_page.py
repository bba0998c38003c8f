"""The documentation page in a real browser: it renders by itself, without another host."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from platforms import RunningPlatform, running_platform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""

pytestmark = [
    pytest.mark.page,
    pytest.mark.engines,
    pytest.mark.xdist_group("platform"),
    pytest.mark.skipif(not CHROMIUM, reason="page tests need Debian's chromium: apt install it"),
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("page")) as running:
        yield running


def _rendered(url: str, profile: Path) -> str:
    """The page after its scripts ran, with every host but ours unreachable."""
    done = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=5000",
            "--dump-dom",
            url,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_every_route_is_explained_on_the_page(platform: RunningPlatform, tmp_path: Path) -> None:
    page = _rendered(platform.http + "/docs", tmp_path)
    document = httpx.get(platform.http + "/openapi.json", timeout=20).json()
    shown = re.sub(r"<[^>]+>", "", page)
    for path, methods in document["paths"].items():
        assert path in shown
        for facts in methods.values():
            assert facts["summary"] in shown.replace("&amp;", "&").replace("&#x27;", "'")


def test_the_page_asks_no_other_host(platform: RunningPlatform) -> None:
    text = httpx.get(platform.http + "/docs", timeout=20).text
    loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']([^\"']+)", text)
    assert [url for url in loaded if url.startswith(("http:", "https:", "//"))] == []
