"""The main link's own messages (section 4.6): login, logout, keep-alive; bodies and answers."""

from __future__ import annotations

from typing import Final

from motorcade.errors import MessageError

__all__ = [
    "KEEP_ALIVE",
    "KEEP_ALIVE_ANSWER",
    "LOGIN",
    "LOGIN_ANSWER",
    "LOGIN_RESULTS",
    "LOGOUT",
    "LOGOUT_ANSWER",
    "MAIN_LINK_BROKEN",
    "keep_alive",
    "login",
    "login_answer",
    "logout",
    "read_login_answer",
]

LOGIN: Final = 0x1001
LOGIN_ANSWER: Final = 0x1002
LOGOUT: Final = 0x1003
LOGOUT_ANSWER: Final = 0x1004
KEEP_ALIVE: Final = 0x1005
KEEP_ALIVE_ANSWER: Final = 0x1006
MAIN_LINK_BROKEN: Final = 0x9007

LOGIN_RESULTS: Final = {
    0: "accepted",
    1: "wrong address",
    2: "wrong access code",
    3: "unknown user",
    4: "wrong password",
    5: "no resources, come back later",
    6: "refused",
}
"""What 1002 says."""


def login(
    user: int, password: str, center: int, address: str, port: int, *, edition: int = 2011
) -> bytes:
    """1001: user number, password of 8, where the upper platform may open its own link to; 2019
    repeats the access code."""
    code = center.to_bytes(4, "big") if edition == 2019 else b""
    head = user.to_bytes(4, "big") + _text(password, 8) + code
    return head + _text(address, 32) + port.to_bytes(2, "big")


def login_answer(result: int, verify: int = 0) -> bytes:
    """1002, as an upper platform sends it."""
    return bytes([result]) + verify.to_bytes(4, "big")


def read_login_answer(body: bytes) -> tuple[int, int]:
    """1002: result and the code that proves the upper platform on the link it opens.
    ``MessageError`` where it is too short."""
    if len(body) < 5:
        raise MessageError("a login answer has 5 bytes")
    return body[0], int.from_bytes(body[1:5], "big")


def logout(user: int, password: str) -> bytes:
    """1003."""
    return user.to_bytes(4, "big") + _text(password, 8)


def keep_alive() -> bytes:
    """1005 and 1006 have no body."""
    return b""


def _text(text: str, size: int) -> bytes:
    return text.encode("gbk", "replace")[:size].ljust(size, b"\0")
