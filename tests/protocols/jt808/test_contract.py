"""JT/T 808 keeps what every protocol must."""

from __future__ import annotations

import json
from pathlib import Path

from contract import Contract

from motorcade.protocols import jt808

_VECTORS = Path(__file__).parents[2] / "vectors" / "jt808.jsonl"


class TestJt808(Contract):
    protocol = jt808
    frames = [  # noqa: RUF012
        bytes.fromhex(one["hex"])
        for one in map(json.loads, _VECTORS.read_text().splitlines())
        if one.get("contract")
    ]
