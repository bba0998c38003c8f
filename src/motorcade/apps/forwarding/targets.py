"""Which addresses a tenant may have the platform connect to.

In: a host and a port a tenant named. Out: an address that was looked up once and checked, to be
connected to as it is: asking again could give another (DNS rebinding). Loopback, link-local,
private, multicast and reserved addresses are refused unless the operator allows them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from typing import Final

from motorcade.apps.forwarding.parcel import Away
from motorcade.errors import Invalid

__all__ = ["check_host", "connect", "resolve", "tls_context"]


_CARRIERS: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "fec0::/10",
    )
)
"""IPv6 that stands for IPv4 (compatible, mapped, translated, RFC 6052 and 8215, 6to4), and what was
site-local: a name with an IPv4 address has that as an answer of its own."""


def check_host(host: str, port: int) -> None:
    """``Invalid`` for what can be no address."""
    if not host or len(host) > 253 or any(sign.isspace() or sign in "/@\0" for sign in host):
        raise Invalid(f"target: {host!r} is no host")
    if not 1 <= port <= 65_535:
        raise Invalid(f"target: {port} is no port")


async def resolve(host: str, port: int, allow_private: bool) -> str:
    """An IP address of ``host`` that may be connected to. Raises ``Away``."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise Away(f"{host} is not to be found: {error}") from error
    for *_, address in found:
        text = str(address[0]).partition("%")[0]
        if allow_private or _is_public(text):
            return text
    raise Away(
        f"{host} is an address of the platform's own network, which forwarding.allow_private_"
        "addresses does not allow"
    )


async def connect(
    host: str, port: int, allow_private: bool, timeout_s: float, tls: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a checked address, TLS with the host's own name. Raises ``Away``."""
    try:
        async with asyncio.timeout(timeout_s):
            address = await resolve(host, port, allow_private)
            name = host if tls is not None else None
            return await asyncio.open_connection(address, port, ssl=tls, server_hostname=name)
    except TimeoutError as error:
        raise Away(f"{host}:{port} does not take a connection within {timeout_s:g} s") from error
    except (OSError, ssl.SSLError) as error:
        raise Away(f"{host}:{port}: {error}") from error


def tls_context(ca_pem: str) -> ssl.SSLContext:
    """TLS that trusts this certificate, or the system's where it is empty. ``Invalid``."""
    try:
        return ssl.create_default_context(cadata=ca_pem or None)
    except ssl.SSLError as error:
        raise Invalid(f"target: ca_pem holds no certificate: {error}") from error


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and any(address in net for net in _CARRIERS):
        # The IPv4 address it carries is where a translator or a tunnel would take the connection.
        return False
    return address.is_global and not address.is_multicast
