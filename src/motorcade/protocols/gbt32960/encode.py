"""Single frames: those a platform sends down (80, 81, 82) and those a vehicle or platform sends
up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from motorcade.errors import Invalid
from motorcade.protocols.gbt32960.cipher import closed, sealed
from motorcade.protocols.gbt32960.framing import HEADER, UNIT_MAX
from motorcade.protocols.gbt32960.messages import PARAMETERS
from motorcade.protocols.gbt32960.settings import TenantSettings
from motorcade.protocols.gbt32960.times import time6
from motorcade.protocols.gbt32960.words import COMMAND, PLAIN, STARTS

__all__ = [
    "encode",
    "seal",
    "login_unit",
    "logout_unit",
    "platform_login_unit",
    "query_unit",
    "set_unit",
    "control_unit",
]


def encode(
    command: int,
    vin: str,
    unit: bytes = b"",
    *,
    edition: int = 2016,
    flag: int = COMMAND,
    settings: TenantSettings | None = None,
) -> bytes:
    """A sealed frame. ``vin`` (or a platform's code) is cut or filled with NULs to 17 bytes; with
    ``settings`` that hold a key the data unit is encrypted. ``Invalid`` where the unit is too
    long."""
    name = vin.encode("ascii", "replace")[:17].ljust(17, b"\0")
    frame = sealed(STARTS[edition] + bytes([command, flag]) + name + bytes([PLAIN, 0, 0]) + unit)
    if len(unit) > UNIT_MAX - 16:
        raise Invalid(f"a data unit has at most {UNIT_MAX} bytes, not {len(unit)}")
    return frame if settings is None else closed(frame, settings)


def seal(frame: bytes) -> bytes:
    """Make length and BCC right: ``frame`` with a BCC byte at its end, whatever it is. Shorter than
    a header, it is given back as it is."""
    if len(frame) < HEADER + 1:
        return frame
    return sealed(frame[:-1][: HEADER + UNIT_MAX])


def login_unit(
    time: int, sequence: int, iccid: str, codes: Sequence[str] = (), edition: int = 2016
) -> bytes:
    """01: ``time`` µs UTC; battery codes of one length (2016) or 24 characters, one pack a system
    (2025)."""
    head = time6(time) + sequence.to_bytes(2, "big") + _text(iccid, 20)
    if edition == 2025:
        return head + bytes([len(codes)]) + bytes([1] * len(codes)) + _all(codes, 24)
    width = max((len(code) for code in codes), default=0)
    return head + bytes([len(codes), width]) + _all(codes, width)


def logout_unit(time: int, sequence: int) -> bytes:
    """04 and 06."""
    return time6(time) + sequence.to_bytes(2, "big")


def platform_login_unit(
    time: int, sequence: int, user: str, password: str, encryption: int = PLAIN
) -> bytes:
    """05."""
    head = time6(time) + sequence.to_bytes(2, "big")
    return head + _text(user, 12) + _text(password, 20) + bytes([encryption])


def query_unit(time: int, ids: Iterable[int]) -> bytes:
    """80: which parameters are asked for."""
    wanted = bytes(ids)
    return time6(time) + bytes([len(wanted)]) + wanted


def set_unit(time: int, parameters: Mapping[int, int | str], edition: int = 2016) -> bytes:
    """81: parameter id to value; domain names (05, 0E) bring their length (04, 0D) with them."""
    parts: list[bytes] = []
    for number, value in parameters.items():
        if number not in PARAMETERS:
            raise Invalid(f"there is no parameter 0x{number:02X}")
        _, old, new = PARAMETERS[number]
        size = new if edition == 2025 else old
        if isinstance(value, int):
            if size <= 0 or not 0 <= value < 1 << 8 * size:
                raise Invalid(f"parameter 0x{number:02X} cannot be {value}")
            parts.append(bytes([number]) + value.to_bytes(size, "big"))
        elif size < 0:
            parts.append(bytes([number]) + _text(value, -size))
        else:
            data = value.encode("ascii", "replace")
            parts.append(bytes([number - 1, len(data)]))
            parts.append(bytes([number]) + data)
    return time6(time) + bytes([len(parts)]) + b"".join(parts)


def control_unit(time: int, control: int, parameters: bytes = b"") -> bytes:
    """82."""
    return time6(time) + bytes([control]) + parameters


def _text(text: str, size: int) -> bytes:
    return text.encode("ascii", "replace")[:size].ljust(size, b"\0")


def _all(codes: Sequence[str], width: int) -> bytes:
    return b"".join(_text(code, width) for code in codes)
