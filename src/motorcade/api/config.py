"""What an operator can set of the HTTP API: table ``[api]``."""

from __future__ import annotations

from typing import Literal

import msgspec

from motorcade import limits

__all__ = ["Config"]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where the API listens and how it bounds its callers."""

    listen: str = "127.0.0.1:8000"
    """Address and port; ``0.0.0.0:8000`` for all networks, ``[::]:8000`` for IPv6 too."""
    tls_certificate: str = ""
    """PEM file of the server's certificate chain; empty for plain HTTP (behind a proxy)."""
    tls_key: str = ""
    """PEM file of the certificate's private key."""
    backlog: int = 1024
    """Connections the kernel may hold that are not yet accepted."""
    request_timeout_s: float = limits.API_REQUEST_TIMEOUT_S
    """Longest a request may take that is neither a stream nor an import."""
    import_timeout_s: float = limits.API_IMPORT_TIMEOUT_S
    """Longest a vehicle import may take."""
    upload_timeout_s: float = limits.API_UPLOAD_TIMEOUT_S
    """Longest silence while an ingest's body arrives; also how long before its rate counts."""
    upload_bytes_per_s_min: int = limits.API_UPLOAD_BYTES_PER_S_MIN
    """Slowest rate of an ingest's body over the whole of it; 0 for any."""
    streams_max: int = limits.API_STREAMS_MAX
    """Stream subscribers of one process."""
    streams_per_tenant_max: int = limits.API_STREAMS_PER_TENANT_MAX
    """Stream subscribers of one tenant in one process."""
    stream_queue_bytes_max: int = limits.API_STREAM_QUEUE_BYTES_MAX
    """What may wait for one stream subscriber before it misses events."""
    stream_heartbeat_s: float = limits.API_STREAM_HEARTBEAT_S
    """Silence after which a subscriber gets a heartbeat."""
    metrics: Literal["open", "platform"] = "open"
    """``open``: ``/metrics`` without a key tells what names no tenant, with a platform key all;
    ``platform``: only with a platform key."""
