"""A gateway in a process of its own, for tests that kill it: every VIN from LMTCAR on is
registered."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from motorcade.gateway.config import Config, ListenerConfig
from motorcade.gateway.gateway import Gateway
from motorcade.log.config import Config as LogConfig
from motorcade.log.log import Log

OFF = ListenerConfig()


@dataclass(frozen=True)
class Known:
    """A vehicle by its VIN's digits."""

    vehicle: int
    tenant: int


class Registry:
    """Knows every car."""

    async def resolve(self, vins: Sequence[str], *, register: bool = True) -> dict[str, Known]:
        return {vin: Known(int(vin[10:]), 1) for vin in vins if vin.startswith("LMTCAR")}

    async def platform_login(self, user: str, password: str) -> int | None:
        return None

    async def gateway_settings(self) -> dict[int, Any]:
        return {}

    async def settings_stamp(self) -> int:
        return 0


async def main(url_file: str, directory: str, listen: str) -> None:
    """Serve until killed; prints the port."""
    config = LogConfig(
        url_file=url_file, directory=directory, bytes_max=1 << 30, disk_reserve_bytes=0
    )
    log = await Log.connect(config)
    gateway = Gateway(
        Config(gbt32960=ListenerConfig(listen=listen), jt808=OFF, mqtt=OFF), log, Registry()
    )
    await gateway.start()
    sys.stdout.write(f"{gateway.addresses['gbt32960'][0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
