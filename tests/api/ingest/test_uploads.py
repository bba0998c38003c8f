"""Bodies that arrive, that stall and that trickle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from motorcade.api.ingest.uploads import arrived
from motorcade.errors import TooSlow


class _Clocked(asyncio.SelectorEventLoop):
    """A loop whose time passes when nothing else is to be done: waits take no time."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def time(self) -> float:
        return self.passed

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.passed = max(self.passed, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


async def _pieces(count: int, size: int, every_s: float) -> AsyncIterator[bytes]:
    for number in range(count):
        if number:
            await asyncio.sleep(every_s)
        yield b"x" * size


def _run(count: int, size: int, every_s: float, bytes_per_s_min: int = 1_000) -> tuple[int, float]:
    """Bytes that arrived, and the seconds it took (of the loop's time)."""
    loop = _Clocked()
    try:
        body = loop.run_until_complete(
            arrived(_pieces(count, size, every_s), timeout_s=10.0, bytes_per_s_min=bytes_per_s_min)
        )
        return len(body), loop.time()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def test_what_arrives_at_its_rate_is_whole() -> None:
    assert _run(100, 1_100, 1.0) == (110_000, 99.0)


def test_a_short_pause_is_no_stall() -> None:
    assert _run(2, 50_000, 9.9) == (100_000, 9.9)


def test_silence_ends_it_however_much_came_before() -> None:
    with pytest.raises(TooSlow, match=r"1,000,000 bytes of the body arrived in 10 s"):
        _run(2, 1_000_000, 11.0)


def test_a_trickle_ends_though_it_is_never_silent() -> None:
    with pytest.raises(TooSlow, match="11 bytes of the body arrived in 10 s"):
        _run(1_000, 1, 1.0)


def test_any_rate_where_none_is_demanded() -> None:
    assert _run(100, 1, 5.0, bytes_per_s_min=0) == (100, 495.0)
