"""A will that cannot be read costs itself; what vehicles say in theirs is told in test_mqtt.py."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from motorcade.clock import SystemClock
from motorcade.gateway.wills import Wills


def _fault(*_: Any) -> Any:
    raise ZeroDivisionError


async def test_a_fault_in_one_neither_stops_later_ones_nor_a_stop() -> None:
    metrics = SimpleNamespace(unstored=Counter[str](), rejects=Counter[str]())
    settings = SimpleNamespace(by_tenant={})
    listener: Any = SimpleNamespace(
        shared=SimpleNamespace(metrics=metrics, settings=settings, clock=SystemClock()),
        protocol=SimpleNamespace(decode=_fault),
        traits=SimpleNamespace(wraps=False),
        table=SimpleNamespace(vehicle=[7], tenant=[1]),
    )
    session = SimpleNamespace(will_frame=lambda: b"0", expiry_s=0)
    peer: Any = SimpleNamespace(slot=0, session=session)
    wills = Wills(listener)
    for count in (1, 2):
        wills.add(peer)
        await wills.settled()
        assert metrics.unstored["bug"] == count
