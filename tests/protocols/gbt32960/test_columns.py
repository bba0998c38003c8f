"""Groups of fields read for many frames at once."""

from __future__ import annotations

import numpy as np

from motorcade.protocols.gbt32960.columns import scalars
from motorcade.protocols.gbt32960.paths import BATTERY
from motorcade.protocols.gbt32960.plan import plan
from motorcade.protocols.gbt32960.sink import Sink
from motorcade.protocols.gbt32960.tables_2016 import ITEMS as OLD
from motorcade.protocols.gbt32960.tables_2025 import ITEMS as NEW

BODY = bytes.fromhex("01030102590001e2400e7427425001" + "2e03e82300")


def test_some_rows_of_a_batch() -> None:
    made = plan()
    (kept,) = [one for one in made.kept.values() if one.item is OLD[0]]
    sink = Sink(made, 4)
    buffer = np.frombuffer(BODY * 2, np.uint8)
    scalars(
        buffer, kept.groups, np.array([1, 3]), np.array([0, len(BODY)]), size=len(BODY), sink=sink
    )
    columns = sink.columns()
    assert columns["Vehicle.Speed"].to_pylist()[0] is None
    assert [round(v, 3) for v in columns["Vehicle.Speed"].to_pylist()[1::2]] == [60.1, 60.1]
    assert columns[f"{BATTERY}.InsulationResistance"].to_pylist() == [None, 1000, None, 1000]
    assert len(sink.triples()[0]) == 0


def test_both_editions_are_compiled() -> None:
    items = {id(one.item) for one in plan().kept.values()}
    assert items == {id(item) for item in (*OLD, *NEW)}
