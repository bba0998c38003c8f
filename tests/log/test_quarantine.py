"""The quarantine: newest first, page by page, tenant by tenant, and bounded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from engines_nats import Nats
from motorcade.clock import SteerableClock
from motorcade.errors import Invalid
from motorcade.log.log import Log, Quarantined

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]


def _entry(number: int, tenant: int = 1, data: bytes = b"\x01\x02") -> Quarantined:
    return Quarantined(
        time_us=number,
        tenant=tenant,
        protocol="gbt32960",
        peer="192.0.2.1:4000",
        code="peer.frame",
        reason="checksum",
        data=data,
    )


async def _all(log: Log, tenant: int | None, limit: int) -> list[int]:
    times: list[int] = []
    before = None
    while True:
        page = await log.quarantined(tenant, limit, before)
        assert len(page.entries) <= limit
        times += [entry.time_us for entry in page.entries]
        if page.next is None:
            return times
        before = page.next


async def test_pages_run_from_the_newest_to_the_oldest_once_each(connect: Connect) -> None:
    log = await connect(quarantine_per_s_max=10_000.0)
    for call in range(120):
        entries = [_entry(call * 3 + index, tenant=1 + call % 3) for index in range(3)]
        assert await log.quarantine(entries) == 3
    assert await _all(log, None, 7) == list(range(359, -1, -1))
    assert await _all(log, 2, 50) == [n for n in range(359, -1, -1) if n // 3 % 3 == 1]
    assert await _all(log, 99, 10) == []


async def test_an_empty_quarantine_has_one_empty_page(log: Log) -> None:
    assert await log.quarantined(None) == ([], None)


async def test_a_tenant_far_back_in_a_busy_quarantine_is_found(connect: Connect) -> None:
    log = await connect(quarantine_per_s_max=10_000.0)
    await log.quarantine([_entry(1, tenant=7), _entry(2, tenant=7)])
    for call in range(300):
        await log.quarantine([_entry(100 + call)])
    assert await _all(log, 7, 1) == [2, 1]


async def test_long_data_is_cut_and_marked(log: Log) -> None:
    await log.quarantine([_entry(1, data=b"x" * 10_000), _entry(2, data=b"y")])
    short, long = (await log.quarantined(1)).entries
    assert (len(long.data), long.truncated) == (4096, True)
    assert (short.data, short.truncated) == (b"y", False)


async def test_a_flood_is_counted_and_other_tenants_are_kept(nats: Nats) -> None:
    clock = SteerableClock()
    log = await Log.connect(nats.config(quarantine_per_s_max=10.0), clock)
    assert await log.quarantine([_entry(n) for n in range(200)]) == 50
    assert log.stats()["quarantine_dropped"] == 150
    assert await log.quarantine([_entry(1, tenant=2)]) == 1
    clock.advance(1.0)
    assert await log.quarantine([_entry(n) for n in range(200)]) == 10
    await log.close()


async def test_a_tenants_own_oldest_go_first(connect: Connect) -> None:
    log = await connect(quarantine_messages_per_tenant_max=5)
    await log.quarantine([_entry(1, tenant=2)])
    for number in range(20):
        await log.quarantine([_entry(number)])
    assert await _all(log, 1, 100) == [19, 18, 17, 16, 15]
    assert await _all(log, 2, 100) == [1]


@pytest.mark.parametrize("cursor", ["", "1", "x.1", "1.-2", "1.2.3", "9" * 60 + ".1"])
async def test_another_cursor_is_refused(log: Log, cursor: str) -> None:
    with pytest.raises(Invalid):
        await log.quarantined(None, 10, cursor)
