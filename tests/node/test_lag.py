"""How far a worker is behind, read from its own figures."""

from __future__ import annotations

from motorcade.node.lag import Lag, read

_FIGURES = """# HELP motorcade_worker_lag_s Seconds
motorcade_worker_pending{partition="0"} 40.0
motorcade_worker_pending{partition="1"} 0.0
motorcade_worker_lag_s{partition="0"} 6.5
motorcade_worker_lag_s{partition="1"} 90.0
motorcade_worker_behind{partition="0"} 1.0
motorcade_worker_behind{partition="1"} 0.0
motorcade_worker_stopped{partition="0"} 0.0
motorcade_worker_stopped{partition="1"} 0.0
"""


def test_the_slowest_partition_counts_and_one_that_has_everything_does_not() -> None:
    assert read(_FIGURES) == Lag(6.5, 40)
    assert str(read(_FIGURES)) == "6.5 s, 40 records"
    still = _FIGURES.replace("40.0", "0.0").replace("} 1.0", "} 0.0")
    assert str(read(still)) == "none"


def test_a_stopped_partition_is_said() -> None:
    stopped = _FIGURES.replace('stopped{partition="1"} 0.0', 'stopped{partition="1"} 1.0')
    assert "stopped" in str(read(stopped))


def test_figures_of_others_tell_nothing() -> None:
    assert read("motorcade_gateway_peers 3\n") is None
