"""A publisher to another server: nothing counts before the server has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines_nats import Nats, until
from motorcade.errors import DependencyError
from motorcade.log.log import Log
from motorcade.log.publishing import Publisher

pytestmark = pytest.mark.engines


async def test_streams_store_and_listeners_hear(nats: Nats, log: Log) -> None:
    await log.spools.ensure(3, 1 << 20, 3600)
    publisher = await Publisher.open(nats.engine.url, timeout_s=5)
    heard: list[tuple[str, bytes]] = []

    async def note(subject: str, payload: bytes) -> None:
        heard.append((subject, payload))

    subscription = await log.subscribe("fleet.>", note)
    await publisher.publish_all([("fleet.a", b"1", {}), ("fleet.b", b"2", {})], jetstream=False)

    async def both() -> bool:
        return len(heard) == 2

    await until(both)
    assert heard == [("fleet.a", b"1"), ("fleet.b", b"2")]
    await publisher.publish_all([("forward.3.0", b"x", {"Nats-Msg-Id": "1"})] * 3, jetstream=True)
    assert (await log.spools.bounds(3)).last == 1
    messages = [("nobody.listens", b"", {}), ("forward.3.1", b"x", {})]
    nobody, stored = await publisher.publish_all(messages, jetstream=True)
    assert isinstance(nobody, DependencyError)
    assert nobody.detail == "no stream takes nobody.listens"
    assert stored is None
    assert (await log.spools.bounds(3)).last == 2
    assert publisher.payload_max == 8 << 20
    await subscription.close()
    await publisher.close()


async def test_a_server_that_goes_away_is_told(tmp_path: Path) -> None:
    async with Nats(tmp_path) as nats:
        publisher = await Publisher.open(nats.engine.url, timeout_s=2)
        nats.kill()
        with pytest.raises(DependencyError):
            await publisher.publish_all([("fleet.a", b"1", {})], jetstream=False)
        assert not publisher.connected
        await publisher.close()
        with pytest.raises(DependencyError):
            await Publisher.open(nats.engine.url, timeout_s=0.5)
