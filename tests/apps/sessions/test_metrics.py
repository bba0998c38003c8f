"""Figures of the sessions app: what was counted, in Prometheus' text."""

from __future__ import annotations

from apps.sessions.events import START_US, down, up
from motorcade.apps.sessions.metrics import SessionMetrics
from motorcade.apps.sessions.rules import Table
from motorcade.apps.sessions.sessions import Change

S = 1_000_000


def test_figures_tell_handovers_gaps_and_what_was_passed_over() -> None:
    table, change = Table(3 * S, 60 * S), Change()
    metrics = SessionMetrics([table])
    table.apply(1, START_US, [up(7, 1), up(8, 2)], change)
    table.apply(2, START_US + S, [down(7, 1), down(8, 2), down(8, 2)], change)
    table.apply(3, START_US + 3 * S, [up(7, 3, bearer="nr")], change)
    table.settle(START_US + 60 * S, change)
    metrics.add(change)
    text = metrics.render()
    for line in (
        'motorcade_sessions_links{bearer="nr",protocol="jt808"} 1.0',
        'motorcade_sessions_links{bearer="lte",protocol="jt808"} 0.0',
        "motorcade_sessions_online 1.0",
        'motorcade_sessions_handovers_total{after="nr",before="lte"} 1.0',
        'motorcade_sessions_gap_seconds_bucket{le="1.0"} 0.0',
        'motorcade_sessions_gap_seconds_bucket{le="2.0"} 1.0',
        'motorcade_sessions_gap_seconds_bucket{le="+Inf"} 1.0',
        "motorcade_sessions_gap_seconds_sum 2.0",
        "motorcade_sessions_offline_total 1.0",
        "motorcade_sessions_kept_online_total 1.0",
        "motorcade_sessions_late_goodbyes_total 1.0",
        "motorcade_sessions_rows_total 6.0",
    ):
        assert line in text, line
