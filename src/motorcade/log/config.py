"""The settings of the log (``[log]``)."""

from __future__ import annotations

import msgspec

__all__ = ["Config"]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of the log (``[log]``)."""

    url: str = ""
    """NATS to use, ``nats://user:secret@host:port``, several separated by commas; empty for the
    embedded one."""
    url_file: str = ""
    """A file that holds the URL, read again at every reconnect; the embedded server writes one."""
    directory: str = ""
    """Where the embedded server's store lies, to watch its free space; empty for a remote one."""
    name: str = "motorcade"
    """What this process is called in the server's logs."""
    partitions: int = 2
    """Number of telemetry streams. Fixed once the first process has made them."""
    replicas: int = 1
    """Copies of every stream: 1 on one machine, 3 in a cluster."""
    bytes_max: int = 0
    """All telemetry streams together; 0 for 16 GiB, or half of the disk's free space if that is
    less. At the bound nothing more is taken until consumers have caught up and the log is
    trimmed."""
    events_bytes_max: int = 1 << 30
    """All event streams together (links, answers to commands), some 150 bytes an event. At the
    bound nothing more is taken until the worker has caught up and they are trimmed."""
    duplicate_window_s: float = 120.0
    """How long JetStream remembers message ids; appends retry for a fraction of it."""
    connect_timeout_s: float = 10.0
    """How long ``Log.connect`` waits for a server."""
    append_timeout_s: float = 10.0
    """How long an append retries before it fails."""
    publish_timeout_s: float = 3.0
    """How long one attempt of an append waits for the fsync before it sends the same message
    again."""
    disk_reserve_bytes: int = 256 << 20
    """Appends are refused while the store's disk has less free space than this."""
    heartbeat_s: float = 1.0
    """How often the server tells an idle consumer that it is there; three missing ones restart
    it."""
    request_timeout_s: float = 5.0
    """How long ``request`` waits where the caller does not say."""
    serve_in_flight_max: int = 64
    """Requests one ``serve`` works on at once; four times as many wait, more are refused."""
    quarantine_bytes_max: int = 256 << 20
    """What the quarantine keeps of all tenants; the oldest go first."""
    quarantine_age_s: float = 14 * 86_400.0
    """How long the quarantine keeps an entry."""
    quarantine_messages_per_tenant_max: int = 5_000
    """Messages (up to 64 entries each) kept of one tenant; its own oldest go first."""
    quarantine_per_s_max: float = 100.0
    """Entries per tenant, second and process that are kept; more are counted and dropped."""
