"""What a gateway process counts, in the text format Prometheus reads.

Counts are plain numbers the ticks add to; families are made when somebody asks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

__all__ = ["Histogram", "Metrics"]

_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Histogram:
    """Counts of seconds by upper bound; one observation may stand for many frames."""

    def __init__(self) -> None:
        self.counts = np.zeros(len(_BOUNDS_S) + 1, np.int64)
        self.sum_s = 0.0

    def observe(self, seconds: float, weight: int = 1) -> None:
        """Count ``seconds`` ``weight`` times."""
        self.counts[np.searchsorted(_BOUNDS_S, seconds)] += weight
        self.sum_s += seconds * weight

    def family(self, name: str, help_text: str) -> HistogramMetricFamily:
        """As Prometheus wants it: cumulative."""
        bounds = [*(str(bound) for bound in _BOUNDS_S), "+Inf"]
        running = np.cumsum(self.counts).tolist()
        return HistogramMetricFamily(
            name, help_text, buckets=list(zip(bounds, running, strict=True)), sum_value=self.sum_s
        )


class Metrics(Collector):
    """The numbers of one process. ``gauges`` maps a name to (help, a function giving it now)."""

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway
        self.frames = 0
        self.records = 0
        self.bytes_received = 0
        self.ticks = 0
        self.logins = 0
        self.quarantine_skipped = 0
        self.dropped_datagrams = 0
        self.commands = 0
        self.rejects: Counter[str] = Counter()
        self.repaired: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.unstored: Counter[str] = Counter()
        self.warned_s = -math.inf
        """When the log of this process last said that rows are not stored (monotonic)."""
        self.append_s = Histogram()
        self.acknowledge_s = Histogram()
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> str:
        """All families in the text format."""
        return generate_latest(self._registry).decode()

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for."""
        for name, help_text, value in (
            ("frames", "Whole frames received", self.frames),
            ("records", "Rows stored in the log", self.records),
            ("received_bytes", "Bytes received", self.bytes_received),
            ("ticks", "Ticks run", self.ticks),
            ("logins", "Logins accepted", self.logins),
            ("quarantine_skipped", "Unreadable pieces counted only", self.quarantine_skipped),
            ("dropped_datagrams", "Datagrams there was no room for", self.dropped_datagrams),
            ("commands", "Commands written to links", self.commands),
        ):
            yield CounterMetricFamily(f"motorcade_gateway_{name}", help_text, value=value)
        for name, help_text, label, counter in (
            ("rejects", "Input that could not be used", "code", self.rejects),
            ("repaired", "Input read though it breaks its standard", "code", self.repaired),
            ("closed", "Connections closed by us", "rule", self.closed),
            ("unstored_frames", "Frames dropped unanswered", "error", self.unstored),
        ):
            family = CounterMetricFamily(f"motorcade_gateway_{name}", help_text, labels=[label])
            for key, value in sorted(counter.items()):
                family.add_metric([key], value)
            yield family
        for name, (help_text, now) in self.gauges.items():
            yield GaugeMetricFamily(f"motorcade_gateway_{name}", help_text, value=now())
        yield self.append_s.family("motorcade_gateway_append_seconds", "Append to durable")
        yield self.acknowledge_s.family(
            "motorcade_gateway_acknowledge_seconds", "First byte of a tick to its answers written"
        )
