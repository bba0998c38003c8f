"""JT/T 809, exchange between platforms, editions 2011 and 2019: a lower platform's side in outline.

In: positions as columns, and what the upper platform says. Out: sealed frames, and frames read. It
is no vehicle protocol and has no listener; ``apps/forwarding`` speaks it. ``framing`` cuts, seals
and enciphers, ``messages`` builds the main link's own messages, ``positions`` turns columns into
0x1202 and 0x1203, ``names`` has the names of everything else.
"""

from __future__ import annotations

from motorcade.protocols.jt809.framing import Cipher, Frame, Header, cut_stream, seal, seal_all
from motorcade.protocols.jt809.messages import (
    LOGIN_RESULTS,
    keep_alive,
    login,
    login_answer,
    logout,
    read_login_answer,
)
from motorcade.protocols.jt809.names import name_of, sub_name_of
from motorcade.protocols.jt809.positions import Vehicles, positions, re_issued

__all__ = [
    "LOGIN_RESULTS",
    "Cipher",
    "Frame",
    "Header",
    "Vehicles",
    "cut_stream",
    "keep_alive",
    "login",
    "login_answer",
    "logout",
    "name_of",
    "positions",
    "re_issued",
    "read_login_answer",
    "seal",
    "seal_all",
    "sub_name_of",
]
