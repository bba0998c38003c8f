"""The streams' making: the same twice, and never another partition count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from engines_nats import Nats
from motorcade.errors import Conflict
from motorcade.log.log import Log
from motorcade.log.streams import QUARANTINE, telemetry_stream

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]


async def test_streams_are_made_once_and_limits_follow_the_configuration(
    nats: Nats, connect: Connect
) -> None:
    await connect(partitions=3, bytes_max=300 << 20)
    log = await connect(partitions=3, bytes_max=600 << 20, quarantine_bytes_max=1 << 20)
    jetstream = log._connection.jetstream()
    for partition in range(3):
        config = (await jetstream.stream_info(telemetry_stream(partition))).config
        assert config.max_bytes == 200 << 20
        assert config.discard == "new"
        assert config.storage == "file"
    assert (await jetstream.stream_info(QUARANTINE)).config.max_bytes == 1 << 20


async def test_another_partition_count_is_refused(nats: Nats, connect: Connect) -> None:
    await connect(partitions=2)
    with pytest.raises(Conflict, match="2 partitions"):
        await Log.connect(nats.config(partitions=4))


async def test_the_automatic_size_fits_the_disk_and_stays(nats: Nats, connect: Connect) -> None:
    log = await connect(bytes_max=0)
    config = (await log._connection.jetstream().stream_info(telemetry_stream(0))).config
    assert 32 << 20 <= (config.max_bytes or 0) <= 8 << 30
