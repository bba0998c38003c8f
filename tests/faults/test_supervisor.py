"""The supervisor itself is killed: nothing is left that holds the data directory, all is found."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from faults.audit import audit
from faults.cars import Cars
from platforms import running_platform

pytestmark = [
    pytest.mark.faults,
    pytest.mark.engines,
    pytest.mark.xdist_group("platform"),
]

PROCESSES = ("gateway", "worker", "api", "nats", "postgres")
CARS = 20
SETTINGS = ("twin.trim_log=false", "history.commit_interval_s=0.7")


@pytest.mark.parametrize("patience_s", [0.0, 15.0])
async def test_a_second_up_finds_everything_after_the_first_was_killed(
    tmp_path: Path, patience_s: float
) -> None:
    data = tmp_path / "data"
    with running_platform(data, SETTINGS) as first:
        first.cli("tenant", "add", "acme", "--wmi", "LSG")
        key = first.key("reader", "acme")
        left = [found for name in PROCESSES if (found := first.running(name)) is not None]
        async with Cars(lambda: first.gbt32960, CARS).on_the_road() as cars:
            await cars.until_acknowledged(4 * CARS)
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
        # At once, as a service manager would, while the old processes are still ending; and after
        # a while, when whatever can end has ended.
        psutil.wait_procs(left, timeout=patience_s)
        with running_platform(data, SETTINGS) as second:
            assert not [process for process in left if process.is_running()]
            async with cars.on_the_road(lambda: second.gbt32960):
                await cars.until_acknowledged(2 * CARS)
                await cars.drained()
            await audit(second, cars, key, tmp_path / "replay")
