"""What is read though it breaks the standard, counted, so that people see which devices do."""

from __future__ import annotations

from typing import Final

import numpy as np

from motorcade.protocols.jt808.heads import EDITION_2019, SHORT_SERIAL, Heads
from motorcade.protocols.jt808.words import AUTH
from motorcade.wire.bcd import bcd_digits
from motorcade.wire.ragged import gather

__all__ = ["repaired"]

_BIT_14: Final = 0x4000


def repaired(heads: Heads) -> dict[str, int]:
    """How many messages were read leniently, by what is wrong with them.

    ``edition``: bit 14 tells another header than the one the length fits; ``short_serial``: a
    maker's header; ``packed_imei``: no digits where the phone number belongs (logins only).
    """
    short = heads.layout == SHORT_SERIAL
    crooked = ((heads.attributes & _BIT_14) != 0) != (heads.layout == EDITION_2019)
    counts: dict[str, int] = {
        "edition": int(np.count_nonzero(crooked & ~short)),
        "short_serial": int(np.count_nonzero(short)),
        "packed_imei": 0,
    }
    logins = np.flatnonzero(heads.message == AUTH)
    if len(logins):
        # The first six of the ten bytes of 2019 are digits in a packed IMEI, too: zeros.
        last = heads.phone[logins] + np.where(heads.layout[logins] == EDITION_2019, 4, 0)
        odd = (bcd_digits(gather(heads.buffer, last, 6)) > 9).any(axis=1)
        counts["packed_imei"] = int(np.count_nonzero(odd))
    return {code: count for code, count in counts.items() if count}
