"""The addresses a platform is to listen at: their shape, and whether they can be had.

Every listener shares its port with the other processes of its role (``SO_REUSEPORT``), so the
kernel would let two platforms share one too, each getting half of the cars. Hence the look before.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from motorcade.errors import Conflict, Invalid
from motorcade.gateway.config import NAMED
from motorcade.node.rooms import ApiConfig, GatewayConfig

if TYPE_CHECKING:
    from motorcade.node.config import Settings

__all__ = ["check_free", "fixed", "split_listen"]

_PORT_MAX: Final = 65_535


def split_listen(text: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``; ``Invalid`` for what is neither."""
    host, separator, port = text.rpartition(":")
    if not separator or not (port.isascii() and port.isdigit()) or int(port) > _PORT_MAX:
        raise Invalid(f"{text!r} is not host:port")
    return host.strip("[]"), int(port)


def fixed(settings: Settings) -> Iterator[tuple[str, str]]:
    """Key and address of every listener whose port is fixed."""
    listens = {"api.listen": settings.get(ApiConfig).listen}
    for name, rules in settings.get(GatewayConfig).listeners().items():
        place = "gateway" if name in NAMED else "gateway.protocols"
        for door in ("listen", "tls_listen", "udp_listen"):
            listens[f"{place}.{name}.{door}"] = getattr(rules, door)
    for key, listen in listens.items():
        if listen and split_listen(listen)[1]:
            yield key, listen


def check_free(settings: Settings) -> None:
    """Raise where a fixed port cannot be had: ``Conflict`` where another program holds it or two
    listeners name the same, ``Invalid`` for an address that is not this machine's or not
    allowed."""
    ours: dict[tuple[int, socket.SocketKind], str] = {}
    with ExitStack() as stack:
        for key, listen in fixed(settings):
            host, port = split_listen(listen)
            kind = socket.SOCK_DGRAM if key.endswith(".udp_listen") else socket.SOCK_STREAM
            try:
                found = socket.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)[
                    0
                ]
                probe = stack.enter_context(socket.socket(found[0], kind))
                if kind == socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(found[4])
                if kind == socket.SOCK_STREAM:
                    # Bound is not enough: two that only bind may share with SO_REUSEADDR.
                    probe.listen(1)
            except OSError as error:
                raise _cannot(key, listen, port, ours.get((port, kind), ""), error) from None
            ours[port, kind] = key


def _cannot(key: str, listen: str, port: int, other: str, error: OSError) -> Conflict | Invalid:
    if error.errno != errno.EADDRINUSE:
        named = isinstance(error, socket.gaierror)
        reason = error.strerror if named else os.strerror(error.errno or 0)
        return Invalid(f"{key}: cannot listen at {listen}: {reason}")
    if other:
        return Conflict(f"{other} and {key} name the same port {port}")
    return Conflict(f"port {port} is held by another program (choose another with --set {key}=…)")
