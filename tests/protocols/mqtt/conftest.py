"""Lets the tests of this folder import the contract suite and the door."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared-machine")
sys.path.insert(0, str(Path(__file__).parent))
