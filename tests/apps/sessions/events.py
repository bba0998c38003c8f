"""Events of a small world: links of cars at two gateway processes."""

from __future__ import annotations

from motorcade.log.events import GatewayLost, GatewayUp, LinkDown, LinkUp

__all__ = ["EAST", "START_US", "WEST", "down", "gateway_lost", "gateway_up", "link", "up"]

START_US = 1_750_000_000_000_000
EAST = f"east.{START_US}"
WEST = f"west.{START_US + 5}"


def link(number: int, gateway: str = EAST, protocol: str = "jt808") -> str:
    """A link's name."""
    return f"{gateway}/{protocol}/{number}"


def up(
    vehicle: int,
    number: int,
    *,
    gateway: str = EAST,
    bearer: str = "lte",
    protocol: str = "jt808",
    tenant: int = 1,
    at_us: int = 0,
    reachable: bool = True,
) -> LinkUp:
    """A car's link comes up; ``at_us`` is the gateway's own clock, which nobody should believe."""
    return LinkUp(
        vehicle=vehicle,
        tenant=tenant,
        link=link(number, gateway, protocol),
        incarnation=gateway,
        protocol=protocol,
        bearer=bearer,
        address=f"192.0.2.{vehicle % 250}:{number}",
        epoch=number,
        at_us=at_us,
        reachable=reachable,
        identity=f"1380000{vehicle:04d}",
    )


def down(
    vehicle: int, number: int, *, gateway: str = EAST, reason: str = "idle", tenant: int = 1
) -> LinkDown:
    """A car's link ends."""
    return LinkDown(
        vehicle=vehicle, tenant=tenant, link=link(number, gateway), at_us=0, reason=reason
    )


def gateway_up(incarnation: str) -> GatewayUp:
    """A gateway process begins."""
    return GatewayUp(name=incarnation.rpartition(".")[0], incarnation=incarnation, at_us=0)


def gateway_lost(incarnation: str) -> GatewayLost:
    """A gateway process is given up."""
    return GatewayLost(incarnation=incarnation, at_us=0)
