"""What an operator may set about a bridge to a broker."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["BridgeConfig"]


class BridgeConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One bridge: ``[gateway.bridges.<name>]``."""

    url: str
    """``mqtt://host:1883``, or ``mqtts://host:8883`` over TLS. User and password are not part of
    it."""
    tenant: str = ""
    """Whose vehicles the broker may speak for, by name; empty: anybody's, for a broker of the
    platform's own."""
    username: str = ""
    """Empty for none."""
    password: str = ""
    """Empty for none."""
    topics: tuple[str, ...] = ("v/{vin}/up/{channel}",)
    """Where the broker's vehicles publish: levels with one ``{vin}`` and, if the topic tells it,
    one ``{channel}``; ``+`` is any level, ``#`` at the end whatever follows. A channel called like
    a protocol carries that protocol's frames, any other readings as JSON or CBOR."""
    channel: str = "json"
    """The channel of topics that tell none: the name of a protocol where they carry its frames."""
    group: str = "motorcade"
    """Name of the shared subscription: bridges with the same one share the messages. Empty: this
    bridge gets every message, for brokers that know no shared subscriptions."""
    client_id: str = ""
    """What the broker calls this bridge, and keeps its unacknowledged messages by, so it must be
    the same after a restart and no other's; empty: made of the bridge's and the gateway's name."""
    version: Literal["auto", "5", "3.1.1"] = "auto"
    """``auto`` asks for MQTT 5 and takes 3.1.1 where the broker does not speak it."""
    session_expiry_s: int = 86_400
    """How long the broker keeps what this bridge has not acknowledged while it is away."""
    receive_maximum: int = 2_000
    """Messages the broker may send ahead of their acknowledgement: 4 MB at 2 KB each. A broker may
    have a lower bound of its own (Mosquitto: ``max_inflight_messages``, 20)."""
    leave_on_stop: bool = False
    """Whether a stop ends the subscription and takes in what the broker still has for it. Without
    it the broker keeps this bridge's share until it is back, so that nothing is lost if it is the
    only one; with it, the other bridges of the group take over."""
    keep_alive_s: int = 30
    """A broker not heard for one and a half of this is left and connected to anew."""
    connect_timeout_s: float = 10.0
    """How long a connection, its TLS and its login may take together."""
    backoff_max_s: float = 30.0
    """Longest pause between two attempts to connect; the first is 0.5 s, each one doubles it."""
    tls_ca: str = ""
    """PEM file with the authorities that may sign the broker's certificate; empty: the system's."""
    tls_certificate: str = ""
    """PEM file with this bridge's own certificate, where the broker asks for one."""
    tls_key: str = ""
    """PEM file with that certificate's private key."""
