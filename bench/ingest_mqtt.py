"""Acknowledged MQTT readings with QoS 1, end to end: JSON, fsync, PUBACK."""

from __future__ import annotations

import sys
from pathlib import Path

from motorcade.simulator.figures import Figure

sys.path.insert(0, str(Path(__file__).parent))
from loads import ingest

__all__ = ["run"]


def run(quick: bool = False) -> list[Figure]:
    """Sessions of MQTT 3.1.1 and 5.0 in equal numbers, readings of nine signals."""
    return ingest("mqtt", 25_000, to_sink=0.77, quick=quick)
