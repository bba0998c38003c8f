"""A gateway process with nothing but a bridge, to be killed: its settings come on standard
input."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence

from gateway.world import OFF, Table
from motorcade.gateway.bridge.bridge import Bridge
from motorcade.gateway.bridge.config import BridgeConfig
from motorcade.gateway.config import Config
from motorcade.gateway.gateway import Gateway
from motorcade.log.config import Config as LogConfig
from motorcade.log.log import Log
from motorcade.protocols.mqtt.packets import Publish


async def main() -> None:
    told = json.loads(sys.stdin.readline())
    log = await Log.connect(LogConfig(**told["log"]))
    table = Table()
    for vehicle in told["vehicles"]:
        vin = table.add(vehicle=vehicle)
        table.name("vin", vin, vin)
    gateway = Gateway(Config(gbt32960=OFF, jt808=OFF, mqtt=OFF), log, table, name="killed")
    await gateway.start()
    bridge = Bridge("test", BridgeConfig(**told["bridge"]), gateway._shared)
    take = bridge.intake.take

    async def take_and_die(publishes: Sequence[Publish]) -> None:
        await take(publishes)
        if bridge.intake.stored >= told["after"]:
            os.kill(os.getpid(), signal.SIGKILL)

    bridge.intake.take = take_and_die  # type: ignore[method-assign]
    bridge.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
