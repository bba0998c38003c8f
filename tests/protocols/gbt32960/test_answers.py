"""Answers built for many frames at once."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.protocols import gbt32960
from motorcade.protocols.frames import Reject
from motorcade.protocols.gbt32960 import TenantSettings, encode
from motorcade.protocols.gbt32960.answers import flags_for
from motorcade.protocols.gbt32960.encode import login_unit, logout_unit, platform_login_unit
from motorcade.protocols.gbt32960.times import time6

VIN = "LTEST000000000001"
THEN = 1_761_566_522_000_000
NOW = THEN + 5_000_000
KEY = TenantSettings(aes_key=bytes(range(16)))
LOGIN = encode(1, VIN, login_unit(THEN, 12, "89860000000000000001", ["A1", "A2"]))
REPORT = encode(2, VIN, time6(THEN) + bytes.fromhex("040107d00000"))
LOGOUT = encode(4, VIN, logout_unit(THEN, 12))
HEARTBEAT = encode(7, VIN)
TIME_SYNC = encode(8, VIN)
PLATFORM_LOGIN = encode(5, "PLATFORM0001", platform_login_unit(THEN, 3, "maker", "secret"))


def test_rejects_become_flags_by_edition() -> None:
    frames = gbt32960.cut([REPORT, encode(2, VIN, b"", edition=2025), REPORT]).frames
    rejects = [
        Reject("structure", "", b"", 1),
        Reject("time", "", b"", 2),
        Reject("garbage", "", b""),
    ]
    assert flags_for(frames, rejects).tolist() == [1, 6, 2]


@pytest.mark.parametrize("settings", [None, KEY])
def test_bulk_answers_are_the_single_ones(settings: TenantSettings | None) -> None:
    hidden = encode(2, VIN, REPORT[24:-1], settings=KEY)
    frames = [LOGIN, REPORT, HEARTBEAT, TIME_SYNC, LOGOUT, PLATFORM_LOGIN, hidden] * 3
    cut = gbt32960.cut(frames).frames
    platform = np.arange(len(cut)) % 2 == 0
    flags = np.array([1, 2, 1, 1, 0, 3, 1] * 3, np.uint8)
    known = {} if settings is None else {0: settings}
    built = gbt32960.answer(cut, flags, platform, NOW, known)
    for row, frame in enumerate(frames):
        at, size = int(built.offset[row]), int(built.length[row])
        single = gbt32960.answer_one(frame, int(flags[row]), bool(platform[row]), NOW, settings)
        assert built.buffer[at : at + size] == single
        if flags[row]:
            (one,) = [gbt32960.cut([single]).frames]
            assert len(one) == 1
    assert sum(built.length) == len(built.buffer)


def test_no_answers_for_no_frames() -> None:
    none = gbt32960.cut([]).frames
    built = gbt32960.answer(none, np.zeros(0, np.uint8), np.zeros(0, bool), NOW)
    assert built.buffer == b""
