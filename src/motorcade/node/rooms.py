"""Which folder owns which table of the configuration.

Only light modules are imported here: the supervisor and ``check-config`` read them without loading
an engine's client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from motorcade.api.config import Config as ApiConfig
from motorcade.apps.commands.config import Config as CommandsConfig
from motorcade.apps.forwarding.config import Config as ForwardingConfig
from motorcade.apps.sessions.config import Config as SessionsConfig
from motorcade.fleet.config import Config as FleetConfig
from motorcade.gateway.config import Config as GatewayConfig
from motorcade.history.config import Config as HistoryConfig
from motorcade.log.config import Config as LogConfig
from motorcade.twin.config import Config as TwinConfig

__all__ = [
    "ROOMS",
    "ApiConfig",
    "CommandsConfig",
    "FleetConfig",
    "ForwardingConfig",
    "GatewayConfig",
    "HistoryConfig",
    "LogConfig",
    "NodeConfig",
    "SessionsConfig",
    "TwinConfig",
]


class NodeConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What ``motorcade up`` starts, and where it keeps its data."""

    data: str = "data"
    """The data directory: engines' stores, twin, history, logs. ``--data`` sets it."""
    gateways: int = 1
    """Gateway processes; they share the listening ports."""
    workers: int = 1
    """Worker processes; partition p belongs to worker p modulo their number."""
    apis: int = 1
    """API processes; they share the listening port."""
    log_level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""


ROOMS: Final[Mapping[str, Any]] = {
    "node": NodeConfig,
    "log": LogConfig,
    "fleet": FleetConfig,
    "gateway": GatewayConfig,
    "twin": TwinConfig,
    "history": HistoryConfig,
    "sessions": SessionsConfig,
    "commands": CommandsConfig,
    "forwarding": ForwardingConfig,
    "api": ApiConfig,
}
"""TOML table to the ``Config`` of the folder of that name."""
