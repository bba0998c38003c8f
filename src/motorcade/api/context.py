"""What every route module is given: the rooms below and the API's own helpers."""

from __future__ import annotations

from dataclasses import dataclass

from motorcade.api.auth import Access
from motorcade.api.hub import Hub
from motorcade.api.metrics import Meters
from motorcade.api.services import Services
from motorcade.api.vins import Vins

__all__ = ["Context"]


@dataclass(frozen=True, slots=True)
class Context:
    """Made once per application; ``routes(context)`` of each module closes over it."""

    services: Services
    access: Access
    vins: Vins
    hub: Hub
    meters: Meters
