"""Acknowledged JT/T 808 locations, end to end: terminals, fsync, general answers."""

from __future__ import annotations

import sys
from pathlib import Path

from motorcade.simulator.figures import Figure

sys.path.insert(0, str(Path(__file__).parent))
from loads import ingest

__all__ = ["run"]


def run(quick: bool = False) -> list[Figure]:
    """Terminals of 2013 and 2019 in equal numbers."""
    return ingest("jt808", 30_000, to_sink=0.95, quick=quick)
