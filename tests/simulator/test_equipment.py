"""What cars need before they come: every car once, nothing for those that register themselves."""

from __future__ import annotations

from collections import Counter

from motorcade.fleet.names import tidied
from motorcade.simulator.equipment import equipment_of
from motorcade.simulator.fleet import build_fleet
from motorcade.simulator.layouts import MIXED

FLEET = build_fleet(500, 5, 500, seed=1, layouts=MIXED)


def test_a_mixed_fleet() -> None:
    found = [equipment_of(FLEET, "mixed", maker) for maker in range(5)]
    vins = [vin for one in found for vin in one.vins]
    assert len(vins) == len(set(vins)) == 200
    assert sum(len(one.with_token) for one in found) == 75
    assert sum(len(one.names) for one in found) == 125
    assert not [one for one in found if one.keys]
    for maker, one in enumerate(found):
        assert {vin[:3] for vin in one.vins} == {FLEET.makers[maker].wmi}


def test_each_protocol_alone() -> None:
    assert equipment_of(FLEET, "gbt32960", 0) == ([], [], [], {})
    for protocol, kind in (("jt808", "phone"), ("iridium", "imei"), ("compact", "device")):
        names = [name for maker in range(5) for name in equipment_of(FLEET, protocol, maker).names]
        assert Counter(word for _, word, _ in names) == {kind: 500}
        assert len({value for _, _, value in names}) == 500
        assert all(tidied(kind, value) == value for _, _, value in names)
    keys = equipment_of(FLEET, "compact", 0).keys
    assert keys == equipment_of(FLEET, "compact", 0).keys
    assert len(set(keys.values())) == 100
    assert {len(key) for key in keys.values()} == {16}
    assert len(equipment_of(FLEET, "mqtt", 1).with_token) == 100
