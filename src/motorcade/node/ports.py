"""The addresses a platform is to listen at: their shape, and whether they can be had.

Every listener shares its port with the other processes of its role (``SO_REUSEPORT``), so the
kernel would let two platforms share one too, each getting half of the cars. Hence the look before.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from motorcade.addresses import split_address
from motorcade.errors import Conflict, Invalid
from motorcade.gateway.config import NAMED
from motorcade.node.rooms import ApiConfig, GatewayConfig

if TYPE_CHECKING:
    from motorcade.node.config import Settings

__all__ = ["check_free", "fixed", "with_kind"]


def fixed(settings: Settings) -> Iterator[tuple[str, str]]:
    """Key and address of every listener whose port is fixed."""
    listens = {"api.listen": settings.get(ApiConfig).listen}
    for name, rules in settings.get(GatewayConfig).listeners().items():
        place = "gateway" if name in NAMED else "gateway.protocols"
        for door in ("listen", "tls_listen", "udp_listen"):
            listens[f"{place}.{name}.{door}"] = getattr(rules, door)
    for key, listen in listens.items():
        if listen and split_address(listen)[1]:
            yield key, listen


def with_kind(settings: Settings, name: str, addresses: Sequence[str]) -> list[str]:
    """The addresses a listener has, as it tells them, with ``tls`` or ``udp`` before those that
    are."""
    rules = settings.get(GatewayConfig).listeners().get(name)
    if rules is None:
        return list(addresses)
    doors = (("", rules.listen), ("tls ", rules.tls_listen), ("udp ", rules.udp_listen))
    kinds = [kind for kind, listen in doors if listen]  # in the order they are opened
    if len(kinds) != len(addresses):
        return list(addresses)
    return [kind + address for kind, address in zip(kinds, addresses, strict=True)]


def check_free(settings: Settings) -> None:
    """Raise where a fixed port cannot be had: ``Conflict`` where two listeners name the same or
    other programs hold some, all of which it names; ``Invalid`` for an address that is not this
    machine's or not allowed."""
    ours: dict[tuple[int, socket.SocketKind], str] = {}
    taken: list[tuple[str, str]] = []
    with ExitStack() as stack:
        for key, listen in fixed(settings):
            host, port = split_address(listen)
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
                if error.errno != errno.EADDRINUSE:
                    raise _cannot(key, listen, error) from None
                other = ours.get((port, kind))
                if other is not None:
                    raise Conflict(f"{other} and {key} name the same port {port}") from None
                taken.append((key, listen))
                continue
            ours[port, kind] = key
        if taken:
            raise _taken(taken)


def _cannot(key: str, listen: str, error: OSError) -> Invalid:
    named = isinstance(error, socket.gaierror)
    reason = error.strerror if named else os.strerror(error.errno or 0)
    return Invalid(f"{key}: cannot listen at {listen}: {reason}")


def _taken(taken: Sequence[tuple[str, str]]) -> Conflict:
    """All ports that others hold, and what to add to the command for ports that are free now."""
    ports = [split_address(listen)[1] for _, listen in taken]
    platforms = _platforms_at(ports)
    by = "by " + " and ".join(platforms) if platforms else "by another program"
    if len(ports) == 1:
        said = f"port {ports[0]} is held {by}"
    else:
        listed = ", ".join(map(str, ports))
        said = f"ports {listed} are held {by if platforms else 'by other programs'}"
    options = " ".join(f"--set {key}={listen}" for key, listen in _free_instead(taken))
    return Conflict(f"{said}; free ones: {options}")


def _free_instead(taken: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The keys with the same hosts and ports that are free now."""
    with ExitStack() as stack:
        for key, listen in taken:
            host = split_address(listen)[0]
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            probe = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            port = ""
            with suppress(OSError):
                probe.bind((host, 0))
                port = str(probe.getsockname()[1])
            yield key, f"{listen.rpartition(':')[0]}:{port or 'PORT'}"


def _platforms_at(ports: Sequence[int]) -> list[str]:
    """Other platforms of ours that hold one of the ports, as far as this user may see."""
    import psutil

    found: dict[str, None] = {}
    with suppress(psutil.Error, OSError):
        for one in psutil.net_connections("inet"):
            listens = one.status == psutil.CONN_LISTEN or one.type == socket.SOCK_DGRAM
            if one.pid is None or not one.laddr or one.laddr.port not in ports or not listens:
                continue
            with suppress(psutil.Error):
                words = psutil.Process(one.pid).cmdline()
                if "motorcade" in words and "--config" in words[:-1]:
                    settings = Path(words[words.index("--config") + 1])
                    found[f"another motorcade (data in {settings.parent.parent})"] = None
    return list(found)
