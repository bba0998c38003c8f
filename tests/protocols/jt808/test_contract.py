"""JT/T 808 keeps what every protocol must."""

from __future__ import annotations

import json
from pathlib import Path

from contract import Contract

from motorcade.protocols import jt808

_VECTORS = Path(__file__).parents[2] / "vectors" / "jt808.jsonl"


def _frames(kind: str) -> list[bytes]:
    rows = map(json.loads, _VECTORS.read_text().splitlines())
    return [bytes.fromhex(one["hex"]) for one in rows if one.get("contract") == kind]


class TestJt808(Contract):
    protocol = jt808
    frames = _frames("one")


class TestJt808Batches(Contract):
    """Location batches: one frame becomes several rows."""

    protocol = jt808
    frames = _frames("many")

    # It counts a row a frame.
    test_sealed_garbage_gives_only_rejects = None  # type: ignore[assignment]
