"""The schema registry: stored once, fetched on a miss, checked when fetched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b

import pyarrow as pa
import pytest

from motorcade.errors import CorruptionError, Invalid
from motorcade.limits import LOG_SCHEMAS_CACHED_MAX
from motorcade.log.log import Log
from motorcade.log.schemas import STREAM, Schemas
from motorcade.signals.batch import schema_id

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]


def _schema(name: str) -> pa.Schema:
    return pa.schema([pa.field(name, pa.float32())])


async def test_two_writers_leave_one_copy_and_a_third_reads_it(connect: Connect) -> None:
    first, second, third = [Schemas((await connect())._connection) for _ in range(3)]
    name = await first.name(_schema("a"))
    assert await second.name(_schema("a")) == name == schema_id(_schema("a"))
    assert third.cached(name) is None
    assert await third.fetch(name) == _schema("a")
    assert third.cached(name) == _schema("a")
    info = await (await connect())._connection.jetstream().stream_info(STREAM)
    assert info.state.messages == 1


async def test_an_unknown_name_is_corruption(log: Log) -> None:
    with pytest.raises(CorruptionError):
        await Schemas(log._connection).fetch("0123456789abcdef")


async def test_a_schema_stored_under_another_name_is_corruption(log: Log) -> None:
    schemas = Schemas(log._connection)
    await schemas._store("0123456789abcdef", _schema("a"))
    with pytest.raises(CorruptionError):
        await Schemas(log._connection).fetch("0123456789abcdef")


async def test_the_leader_is_asked_where_a_follower_has_nothing(log: Log) -> None:
    schemas = Schemas(log._connection)
    name = await schemas.name(_schema("a"))
    assert await schemas._leaders(name) == await schemas._nearest(name)
    assert await schemas._nearest("0123456789abcdef") is None
    with pytest.raises(CorruptionError, match="no schema"):
        await schemas._leaders("0123456789abcdef")


async def test_the_name_is_of_the_stored_bytes(log: Log) -> None:
    """Another Arrow may write the same schema in other bytes."""
    data = _schema("a").serialize().to_pybytes() + b"\xff\xff\xff\xff\0\0\0\0"
    name = blake2b(data, digest_size=8).hexdigest()
    assert name != schema_id(_schema("a"))
    await log._connection.ask(f"schemas.{name}", data, 5.0)
    assert await Schemas(log._connection).fetch(name) == _schema("a")


async def test_dictionary_columns_are_refused(log: Log) -> None:
    schema = pa.schema([pa.field("a", pa.dictionary(pa.int8(), pa.string()))])
    with pytest.raises(Invalid):
        await Schemas(log._connection).name(schema)


async def test_the_cache_is_bounded(log: Log) -> None:
    schemas = Schemas(log._connection)
    for number in range(LOG_SCHEMAS_CACHED_MAX + 10):
        schemas._keep(str(number), _schema("a"))
    assert len(schemas._schemas) == LOG_SCHEMAS_CACHED_MAX
    assert schemas.cached("0") is None
