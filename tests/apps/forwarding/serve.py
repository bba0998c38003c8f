"""A forwarding worker in a process of its own, for tests that kill it."""

from __future__ import annotations

import sys

import msgspec
import uvloop

from apps.forwarding.world import QUICK
from motorcade.apps.forwarding.service import Forwarding
from motorcade.apps.forwarding.store import Forwarders
from motorcade.clock import SystemClock
from motorcade.fleet.registry import Config, Fleet
from motorcade.log.config import Config as LogConfig
from motorcade.log.log import Log
from motorcade.signals.catalogue import load_catalogue


async def main(log_config: str, fleet_url: str) -> None:
    """Forward until killed."""
    clock = SystemClock()
    log = await Log.connect(msgspec.json.decode(log_config, type=LogConfig), clock)
    fleet = await Fleet.connect(Config(url=fleet_url), clock)
    store = Forwarders(fleet.store, clock)
    forwarding = Forwarding(
        log, store, load_catalogue(), clock, QUICK, partitions=range(log.partitions)
    )
    sys.stdout.write("up\n")
    sys.stdout.flush()
    await forwarding.run()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
