"""What the types of the settings cannot say: ranges, shapes of addresses, keys that need others.

In: the converted parts. Out: every mistake as key and reason, so that one look shows them all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from motorcade.addresses import split_address
from motorcade.errors import Invalid

__all__ = ["mistakes"]

_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "node.gateways": (1, 64),
    "node.workers": (1, 64),
    "node.apis": (1, 64),
    "log.partitions": (1, 256),
    "log.replicas": (1, 5),
    "fleet.pool_size": (1, 1000),
    "gateway.backlog": (1, 1 << 20),
    "api.backlog": (1, 1 << 20),
    "history.row_group_rows": (1, 1 << 30),
    "history.compact_fan_in": (2, 1 << 10),
    "history.commit_rows": (1, 1 << 40),
    "history.query_threads": (1, 1 << 10),
    "history.retention_days": (0, 36_500),
}
"""Smallest and largest value where it is not simply 0 and no end."""

_ONE_AT_LEAST: Final = ("_in_flight_max", "_bytes_max", "_open_max", "_rows_max", "_records_max")
_ZERO_MEANS: Final = frozenset({"log.bytes_max"})
"""Bounds at which nothing could pass, and those where 0 says something else."""

_TIME_NEEDED: Final = ("_timeout_s", "_interval_s", "_every_s", "heartbeat_s", "window_s")
_LEVELS: Final = ("debug", "info", "warning", "error")


def mistakes(parts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and what is wrong with it, for tables by name as plain values; a table that could not be
    converted is missing and passed over."""
    for key, value in _leaves(parts):
        problem = _problem(key, value)
        if problem:
            yield key, problem
    node, log = parts.get("node", {}), parts.get("log", {})
    if node and node["log_level"].lower() not in _LEVELS:
        yield (
            "node.log_level",
            f"must be {', '.join(_LEVELS[:-1])} or error, not {node['log_level']!r}",
        )
    if node and (not node["data"] or "\0" in node["data"]):
        yield "node.data", "must name a directory"
    if node and log and 1 <= log["partitions"] < node["workers"]:
        yield (
            "node.workers",
            f"must be log.partitions ({log['partitions']}) at most, not {node['workers']}: a worker"
            " more has nothing to do",
        )
    if parts.get("api") and not parts["api"]["listen"]:
        yield "api.listen", "must be host:port, as 127.0.0.1:8000, not empty"


def _problem(key: str, value: Any) -> str:
    """What is wrong with one value by itself; empty where nothing is."""
    if isinstance(value, str):
        return _listen_problem(value) if key.endswith("listen") and value else ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    if not math.isfinite(value):
        return f"must be a number, not {value}"
    low, high = _RANGES.get(key, (0, 0))
    if key in _RANGES and not low <= value <= high:
        return f"must be {low} to {high}, not {value:g}"
    if value < 0:
        return f"must be 0 or more, not {value:g}"
    if value < 1 and key.endswith(_ONE_AT_LEAST) and key not in _ZERO_MEANS:
        return f"must be 1 or more, not {value:g}"
    if value == 0 and key.endswith(_TIME_NEEDED):
        return "must be more than 0 seconds"
    return ""


def _listen_problem(value: str) -> str:
    try:
        split_address(value)
    except Invalid:
        return f"must be host:port, as 0.0.0.0:8000, not {value!r}"
    return ""


def _leaves(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
