"""The streams of the log: their limits, their making, and the layout nobody may change by accident.

``TELEMETRY-<partition>`` on ``telemetry.<partition>``, ``EVENTS-<partition>`` on
``events.<partition>``, ``QUARANTINE`` on ``quarantine.<tenant
number>``, ``SCHEMAS`` on ``schemas.<id>``, and the key-value bucket ``motorcade`` for the
layout.
"""

from __future__ import annotations

import shutil
from typing import Final

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import APIError, BadRequestError
from nats.js.errors import NotFoundError as NoStream

from motorcade.errors import Conflict, DependencyError
from motorcade.log import schemas
from motorcade.log.config import Config
from motorcade.log.connection import Connection, wrapped

__all__ = [
    "BUCKET",
    "QUARANTINE",
    "ensure",
    "events_stream",
    "events_subject",
    "telemetry_stream",
    "telemetry_subject",
]

QUARANTINE: Final = "QUARANTINE"
BUCKET: Final = "motorcade"
_BUCKET_STREAM: Final = f"KV_{BUCKET}"
_BUCKET_BYTES_MAX: Final = 64 << 20
_SCHEMAS_BYTES_MAX: Final = 256 << 20
_TELEMETRY_BYTES_MAX: Final = 16 << 30
_NAME_TAKEN: Final = 10058
"""JetStream: a stream of that name exists with another configuration."""


def telemetry_stream(partition: int) -> str:
    """The stream of a partition."""
    return f"TELEMETRY-{partition}"


def telemetry_subject(partition: int) -> str:
    """The subject a partition's records are published on."""
    return f"telemetry.{partition}"


def events_stream(partition: int) -> str:
    """The stream of a partition's events."""
    return f"EVENTS-{partition}"


def events_subject(partition: int) -> str:
    """The subject a partition's events are published on."""
    return f"events.{partition}"


async def ensure(connection: Connection, config: Config) -> None:
    """Make what is missing, adapt limits, refuse another number of partitions.

    Raises ``Conflict`` where the streams were made for another partition count, else
    ``DependencyError`` or ``CapacityError``.
    """
    jetstream = connection.jetstream()
    with wrapped("set up the log's streams"):
        await _bucket(jetstream, config)
        await _layout(jetstream, config)
        for partition in range(config.partitions):
            await _make(jetstream, _telemetry(partition, config), config.bytes_max > 0)
            await _make(jetstream, _events(partition, config), True)
        await _make(jetstream, _quarantine(config), True)
        await _make(jetstream, _schemas(config), True)


async def _layout(jetstream: JetStreamContext, config: Config) -> None:
    """The first process writes the partition count, every other compares."""
    wanted = str(config.partitions).encode()
    bucket = await jetstream.key_value(BUCKET)
    try:
        await bucket.create("layout.partitions", wanted)
    except BadRequestError:
        entry = await bucket.get("layout.partitions")
        found = (entry.value or b"").decode()
        if found != wanted.decode():
            raise Conflict(
                f"the log has {found} partitions and the configuration says {config.partitions}; "
                f"set log.partitions to {found}, or start with a new data directory",
                found=found,
                wanted=config.partitions,
            ) from None


async def _bucket(jetstream: JetStreamContext, config: Config) -> None:
    await _make(
        jetstream,
        StreamConfig(
            name=_BUCKET_STREAM,
            subjects=[f"$KV.{BUCKET}.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_msgs_per_subject=1,
            max_bytes=_BUCKET_BYTES_MAX,
            allow_rollup_hdrs=True,
            deny_delete=True,
            allow_direct=True,
            num_replicas=config.replicas,
        ),
        True,
    )


async def _make(jetstream: JetStreamContext, wanted: StreamConfig, adapt: bool) -> StreamInfo:
    """Create a stream, or take the one there is; ``adapt`` moves its limits to the wanted ones."""
    name = wanted.name or ""
    try:
        found = await jetstream.stream_info(name)
    except NoStream:
        try:
            return await jetstream.add_stream(wanted)
        except APIError as error:
            if error.err_code != _NAME_TAKEN:
                raise
            found = await jetstream.stream_info(name)
    if adapt and _limits(found.config) != _limits(wanted):
        return await jetstream.update_stream(wanted)
    return found


def _limits(config: StreamConfig) -> tuple[object, ...]:
    return (config.max_bytes, config.max_age or 0, config.max_msgs_per_subject)


def _telemetry(partition: int, config: Config) -> StreamConfig:
    return StreamConfig(
        name=telemetry_stream(partition),
        subjects=[telemetry_subject(partition)],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=_bytes_max(config) // config.partitions,
        duplicate_window=config.duplicate_window_s,
        allow_direct=True,
        num_replicas=config.replicas,
    )


def _events(partition: int, config: Config) -> StreamConfig:
    return StreamConfig(
        name=events_stream(partition),
        subjects=[events_subject(partition)],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=config.events_bytes_max // config.partitions,
        duplicate_window=config.duplicate_window_s,
        allow_direct=True,
        num_replicas=config.replicas,
    )


def _bytes_max(config: Config) -> int:
    """All partitions together: as configured, else what the disk allows."""
    if config.bytes_max > 0:
        return config.bytes_max
    if not config.directory:
        return _TELEMETRY_BYTES_MAX
    try:
        free = shutil.disk_usage(config.directory).free
    except OSError as error:
        raise DependencyError(f"the log's directory cannot be read: {error}") from error
    return min(_TELEMETRY_BYTES_MAX, max(free // 2, 64 << 20))


def _quarantine(config: Config) -> StreamConfig:
    return StreamConfig(
        name=QUARANTINE,
        subjects=["quarantine.*"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_bytes=config.quarantine_bytes_max,
        max_age=config.quarantine_age_s,
        max_msgs_per_subject=config.quarantine_messages_per_tenant_max,
        allow_direct=True,
        num_replicas=config.replicas,
    )


def _schemas(config: Config) -> StreamConfig:
    return StreamConfig(
        name=schemas.STREAM,
        subjects=["schemas.*"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=_SCHEMAS_BYTES_MAX,
        max_msgs_per_subject=1,
        allow_direct=True,
        num_replicas=config.replicas,
    )
