"""What the sessions app of a worker counts, in the text format Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from motorcade.apps.sessions.rules import Table
from motorcade.apps.sessions.sessions import Change

__all__ = ["SessionMetrics"]

_GAP_BOUNDS_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_PREFIX: Final = "motorcade_sessions_"
_COUNTS: Final = {
    "rows": "Rows of links and presence told.",
    "offline": "Vehicles announced as offline.",
    "kept_online": "Vehicles that came back within the time of grace: no false offline.",
    "late_goodbyes": "Ends of links that had ended before; they changed nothing.",
    "stale_links": "Links named again after a newer one had taken their place.",
    "gateways_lost": "Gateway processes given up.",
}


class SessionMetrics(Collector):
    """The figures of one process's tables."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self.counts: Counter[str] = Counter()
        self._tables = tables
        self._handovers: Counter[tuple[str, str]] = Counter()
        self._gaps = [0] * (len(_GAP_BOUNDS_S) + 1)
        self._gaps_s = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def add(self, change: Change) -> None:
        """Count what a stored change did."""
        self.counts["rows"] += len(change.rows)
        self.counts["offline"] += sum(row.event == "OFFLINE" for row in change.rows)
        self.counts["kept_online"] += change.kept_online
        self.counts["late_goodbyes"] += change.late
        self.counts["stale_links"] += change.stale
        self._handovers.update(change.handovers)
        for gap_us in change.gaps_us:
            gap_s = gap_us / 1e6
            self._gaps[bisect_left(_GAP_BOUNDS_S, gap_s)] += 1
            self._gaps_s += gap_s

    def render(self) -> str:
        """The figures now."""
        return generate_latest(self._registry).decode()

    def collect(self) -> Iterator[Metric]:
        """One family per figure."""
        carried: Counter[tuple[str, str]] = Counter()
        for table in self._tables:
            carried.update(table.carried)
        links = GaugeMetricFamily(
            _PREFIX + "links", "Links vehicles have.", labels=["bearer", "protocol"]
        )
        for (bearer, protocol), count in sorted(carried.items()):
            links.add_metric([bearer, protocol], count)
        yield links
        online = sum(table.online for table in self._tables)
        yield GaugeMetricFamily(_PREFIX + "online", "Vehicles online.", value=online)
        handovers = CounterMetricFamily(
            _PREFIX + "handovers",
            "Changes of a vehicle from one bearer to another.",
            labels=["before", "after"],
        )
        for (before, after), count in sorted(self._handovers.items()):
            handovers.add_metric([before, after], count)
        yield handovers
        bounds = [*(str(bound) for bound in _GAP_BOUNDS_S), "+Inf"]
        yield HistogramMetricFamily(
            _PREFIX + "gap_seconds",
            "How long vehicles that came back had no link.",
            buckets=list(zip(bounds, accumulate(self._gaps), strict=True)),
            sum_value=self._gaps_s,
        )
        for name, text in _COUNTS.items():
            yield CounterMetricFamily(_PREFIX + name, text, value=self.counts[name])
