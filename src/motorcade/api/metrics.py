"""What the API counts of itself, and the joining of every role's figures under ``/metrics``.

Figures without a ``tenant`` label are for anybody who may reach the port; figures that name a
tenant are shown to platform keys alone."""

from __future__ import annotations

import re
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["MEDIA_TYPE", "Meters", "without_tenants"]

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_TENANT: Final = re.compile(r'[{,]tenant="')
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)


class Meters:
    """The figures of one API process, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "motorcade_api_requests",
            "Requests answered, by route, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "motorcade_api_request_seconds",
            "Time to answer a request that is not a stream.",
            ("route",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.streams = Gauge(
            "motorcade_api_streams", "Stream subscribers now.", registry=self._registry
        )
        self.events = Counter(
            "motorcade_api_stream_events",
            "Events queued for stream subscribers.",
            registry=self._registry,
        )
        self.missed = Counter(
            "motorcade_api_stream_missed",
            "Events that slow stream subscribers missed.",
            registry=self._registry,
        )
        self._count: dict[tuple[str, str, int], Counter] = {}
        self._time: dict[str, Histogram] = {}

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request; ``route`` is the path template, so the labels stay few."""
        counter = self._count.get((route, method, status))
        if counter is None:
            counter = self._requests.labels(route, method, str(status))
            self._count[route, method, status] = counter
        counter.inc()
        timer = self._time.get(route)
        if timer is None:
            timer = self._time[route] = self._seconds.labels(route)
        timer.observe(seconds)

    def text(self) -> str:
        """The figures in Prometheus' text format."""
        return generate_latest(self._registry).decode()


def without_tenants(text: str) -> str:
    """``text`` without the samples that carry a ``tenant`` label."""
    return "".join(line for line in text.splitlines(keepends=True) if not _TENANT.search(line))
