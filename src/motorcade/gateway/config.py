"""What an operator may set about the doors vehicles come in by."""

from __future__ import annotations

from typing import Literal

import msgspec

from motorcade import limits
from motorcade.gateway.bridge.config import BridgeConfig

__all__ = [
    "BEARERS",
    "Acknowledge",
    "Bearer",
    "Config",
    "Credentials",
    "ListenerConfig",
    "Terminals",
    "bearer_code",
]

BEARERS = ("unknown", "lte", "nr", "cv2x", "satellite", "wifi", "wired")
"""What carries a link: 4G, 5G, the direct radio of a roadside unit, a satellite, …"""

Bearer = Literal["unknown", "lte", "nr", "cv2x", "satellite", "wifi", "wired"]

Credentials = Literal["required", "optional"]
"""Whether a login must bring one of the vehicle's credentials, where its protocol can."""

Terminals = Literal["first", "any"]
"""Who gets the code of a known phone number: the terminal that registered by it first, or any."""

Acknowledge = Literal["always", "standard"]
"""Whether a correct report on a terminal link is answered: ``always``, or as the standard has
it: not."""


def bearer_code(word: str) -> int:
    """Place of a bearer in ``BEARERS``; what nobody knows is ``unknown``."""
    return BEARERS.index(word) if word in BEARERS else 0


class ListenerConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One protocol's listeners and the rules of its connections: ``[gateway.gbt32960]``, and
    ``[gateway.protocols.<name>]`` for every further protocol."""

    listen: str = ""
    """``host:port`` for plain TCP; port 0 takes a free one; empty listens nowhere."""
    udp_listen: str = ""
    """``host:port`` for UDP, where the protocol allows datagrams; empty for none."""
    tls_listen: str = ""
    """``host:port`` for TLS; empty for none."""
    tls_certificate: str = ""
    """PEM file with the certificate chain of the TLS listener."""
    tls_key: str = ""
    """PEM file with the certificate's private key."""
    tls_client_ca: str = ""
    """PEM file with authorities; where set, peers must show a certificate signed by one of them."""
    bearer: Bearer = "unknown"
    """What carries the links of these doors, where a login does not say: a carrier gives each
    access network's gateway a door of its own."""
    credentials: Credentials = "required"
    """Protocols whose logins bring a secret (MQTT a password, JT/T 808 its authentication code):
    whether it must be one of the vehicle's. ``optional`` lets in who brings none, never who brings
    a wrong one; for closed networks that vouch for their vehicles themselves. A client certificate
    that names the vehicle counts as well."""
    bind_on_registration: bool = False
    """JT/T 808: whether a terminal with an unknown phone number may register itself for the vehicle
    whose VIN its registration names. A registration proves nothing: only on a network that lets in
    nobody but the operator's SIMs."""
    terminals: Terminals = "first"
    """JT/T 808: which terminal is told the code of a known phone number. ``first``: the one that
    registered by it first, told by its maker's and its own id; another is refused (result 1) until
    an operator takes the number away and gives it again. ``any``: whichever registers."""
    acknowledge_reports: Acknowledge = "always"
    """Terminal links: answer every stored report (an answer lets a terminal free its store), or
    only wrong ones, as the standard has it. A tenant's own setting wins. Platform links are
    always answered."""
    login_timeout_s: float = 60.0
    """A connection that has not logged in by then is closed."""
    idle_timeout_s: float = 300.0
    """A connection without one whole frame for so long is closed: longer than a terminal's longest
    heartbeat (240 s), and ten times a report's longest period (30 s)."""
    relay_idle_s: float = 86_400.0
    """Protocols without logins (satellite): a vehicle that was not heard for so long has no link
    any more."""
    mt_gateway: str = ""
    """Iridium: ``host:port`` of the network's gateway for mobile-terminated messages; empty: no
    commands go that way."""
    frame_timeout_s: float = 15.0
    """A frame begun must be whole by then. Later ones that stand behind it are read then (its
    length may be what broke); a peer that sent nothing more is closed."""


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The gateway role: ``[gateway]``."""

    gbt32960: ListenerConfig = ListenerConfig(listen="0.0.0.0:32960")
    """GB/T 32960.3, both editions."""
    jt808: ListenerConfig = ListenerConfig(listen="0.0.0.0:10808", udp_listen="0.0.0.0:10808")
    """JT/T 808, all three editions."""
    mqtt: ListenerConfig = ListenerConfig(listen="0.0.0.0:1883")
    """MQTT 3.1.1 and 5.0; ``tls_listen`` is 8883 by custom."""
    iridium: ListenerConfig = ListenerConfig()
    """Iridium Short Burst Data by DirectIP (port 10800 by custom). Whoever reaches this door is
    believed: let only Iridium's gateway reach it."""
    compact: ListenerConfig = ListenerConfig()
    """Signed compact datagrams (3GPP NTN and other thin bearers): ``udp_listen``."""
    bridges: dict[str, BridgeConfig] = {}
    """Brokers on which vehicles publish already, by a name of yours: ``docs/bridge.md``."""
    protocols: dict[str, ListenerConfig] = {}
    """Further protocols by module name; without ``listen`` they take every address at their own
    port."""
    linger_ms: float = 8.0
    """How long a tick waits for other peers' bytes; longer ticks cost latency and save work."""
    ticks_in_flight_max: int = limits.GATEWAY_TICKS_IN_FLIGHT_MAX
    """Ticks that may await their append at once; at the bound no new tick starts."""
    tick_bytes_max: int = limits.GATEWAY_TICK_BYTES_MAX
    """Bytes one tick takes; what is more waits for the next one, which follows at once."""
    pending_bytes_max: int = limits.GATEWAY_PENDING_BYTES_MAX
    """Bytes received and not yet stored; at the bound no socket is read until half of it is
    done."""
    partial_bytes_max: int = limits.GATEWAY_PARTIAL_BYTES_MAX
    """Bytes held for unfinished frames and pending logins; above, the oldest unfinished are
    closed."""
    garbage_bytes_max: int = limits.GATEWAY_GARBAGE_BYTES_MAX
    """Bytes a peer may send without one whole frame among them before it is closed."""
    write_buffer_bytes_max: int = limits.GATEWAY_WRITE_BUFFER_BYTES_MAX
    """Answers a peer may leave unread before it is closed."""
    receive_buffer_bytes: int = 65_536
    """Socket receive buffer; bounds what the kernel holds per peer. 0 leaves it to the kernel."""
    connections_max: int = limits.GATEWAY_CONNECTIONS_MAX
    """Connections of one process, less where the descriptor limit is lower; above, refused."""
    backlog: int = 4096
    """Connections the kernel holds until they are accepted; Linux caps it at
    ``net.core.somaxconn``."""
    vehicles_cached_max: int = limits.GATEWAY_VEHICLES_CACHED_MAX
    """VINs whose vehicle is remembered, for platform links and returning vehicles."""
    vehicle_cache_s: float = 60.0
    """How long a remembered VIN is believed before the registry is asked again."""
    quarantined_per_s_max: int = limits.GATEWAY_QUARANTINED_PER_S_MAX
    """Unreadable frames kept for people to look at, per second; above, they are only counted."""
    settings_interval_s: float = 1.0
    """How often tenants' settings are looked at for changes."""
    drain_timeout_s: float = 10.0
    """How long a stop waits for answers on their way."""

    def listeners(self) -> dict[str, ListenerConfig]:
        """Every protocol's listeners by protocol name."""
        own = {name: getattr(self, name) for name in NAMED}
        return {name: rules for name, rules in own.items() if _is_open(rules)} | self.protocols


NAMED = ("gbt32960", "jt808", "mqtt", "iridium", "compact")
"""Protocols with a table of their own; further ones are in ``protocols``."""


def _is_open(rules: ListenerConfig) -> bool:
    return bool(rules.listen or rules.tls_listen or rules.udp_listen)
