"""GB/T 32960.3 keeps what every protocol must."""

from __future__ import annotations

import json
from pathlib import Path

from contract import Contract

from motorcade.protocols import gbt32960

_VECTORS = Path(__file__).parents[2] / "vectors" / "gbt32960.jsonl"


class TestGbt32960(Contract):
    protocol = gbt32960
    frames = [  # noqa: RUF012
        bytes.fromhex(json.loads(line)["hex"]) for line in _VECTORS.read_text().splitlines()
    ]
