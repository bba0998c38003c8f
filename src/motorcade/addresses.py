"""Addresses as people write them: ``host:port``, and ``[host]:port`` for IPv6."""

from __future__ import annotations

from typing import Final

from motorcade.errors import Invalid

__all__ = ["shown_address", "split_address"]

_PORT_MAX: Final = 65_535


def split_address(text: str, default_host: str = "") -> tuple[str, int]:
    """Host and port; ``default_host`` is that of an address that names none. Raises ``Invalid``."""
    host, separator, port = text.rpartition(":")
    # int() also reads the digits of other scripts, and refuses numbers of thousands of digits.
    is_port = port.isascii() and port.isdigit() and len(port) <= len(str(_PORT_MAX))
    if not separator or not is_port or int(port) > _PORT_MAX:
        raise Invalid(f"{text[:300]!r} is not host:port")
    return host.strip("[]") or default_host, int(port)


def shown_address(host: str, port: int) -> str:
    """The opposite: what ``split_address`` takes apart, and what stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
