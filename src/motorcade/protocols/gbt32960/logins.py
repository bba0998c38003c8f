"""Logins (01) and logouts (04) as batches: sequence, SIM card and battery codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.errors import MessageError
from motorcade.protocols.gbt32960.messages import read_message
from motorcade.protocols.gbt32960.paths import BATTERY, LINK
from motorcade.signals.catalogue import Catalogue

__all__ = ["LoginRows", "login_batches", "LOGIN_SIGNALS"]

LOGIN_SIGNALS: Final = {
    f"{LINK}.LoginSequence": "sequence",
    f"{LINK}.ICCID": "iccid",
    f"{BATTERY}.SubsystemCount": "subsystems",
    f"{BATTERY}.SubsystemPacks": "packs",
    f"{BATTERY}.PackCodes": "codes",
}
"""Path to the fact of ``read_message`` that fills it."""

_PROTOCOL: Final = f"{LINK}.Protocol"


@dataclass(slots=True)
class LoginRows:
    """Columns of the messages that could be read: ``rows`` their places, ``faults`` by place the
    rest."""

    rows: NDArray[np.int64]
    signals: dict[str, pa.Array]
    raw: pa.Array
    faults: dict[int, str] = field(default_factory=dict)


def login_batches(
    catalogue: Catalogue, command: int, units: Sequence[bytes], editions: Sequence[int]
) -> LoginRows:
    """Read each data unit; what follows a login's codes is kept in ``raw`` as type 01."""
    facts: list[dict[str, Any]] = []
    rows: list[int] = []
    faults: dict[int, str] = {}
    for row, (unit, edition) in enumerate(zip(units, editions, strict=True)):
        try:
            facts.append({**read_message(command, unit, edition), "edition": edition})
            rows.append(row)
        except MessageError as error:
            faults[row] = error.detail
    signals = {
        path: pa.array([one.get(name) for one in facts], catalogue[path].arrow_type)
        for path, name in LOGIN_SIGNALS.items()
        if any(name in one for one in facts)
    }
    words = catalogue[_PROTOCOL].words
    codes = [words.index(f"GBT32960_{one['edition']}") for one in facts]
    signals[_PROTOCOL] = pa.array(codes, pa.uint8())
    rests = [bytes.fromhex(one.get("rest", "")) for one in facts]
    entries = [bytes([command]) + len(rest).to_bytes(2, "big") + rest for rest in rests]
    kept = [entry if len(entry) > 3 else None for entry in entries]
    return LoginRows(np.array(rows, np.int64), signals, pa.array(kept, pa.binary()), faults)
