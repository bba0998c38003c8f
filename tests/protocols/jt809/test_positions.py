"""Positions as other implementations write them, many at once, and re-issued by vehicle."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.errors import MessageError
from motorcade.protocols.jt809.messages import login, login_answer, logout, read_login_answer
from motorcade.protocols.jt809.positions import Vehicles, positions, re_issued

THEN = 1_342_682_115_000_000  # 2012-07-19 15:15:15 GMT+8
KNOWN = {
    "longitude": 133.123456, "latitude": 24.123456, "speed": 50.0, "recorded": 51.0,
    "mileage": 150_000.0, "heading": 45.0, "altitude": 45.0, "status": 3.0, "alarms": 257.0,
    "valid": 1.0,
}  # fmt: skip


def columns(n: int, **changes: float) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    return {name: np.full(n, value) for name, value in {**KNOWN, **changes}.items()}


def test_a_position_of_2011_is_the_sources_own_bytes() -> None:
    """Values and bytes of SmallChi/JT809's test of 0x1202 (MIT)."""
    bodies = positions(Vehicles.of(["粤A12345"], 2), np.array([THEN]), columns(1))
    (body,) = [row.tobytes() for row in bodies]
    assert body[:21] == "粤A12345".encode("gbk").ljust(21, b"\0")
    assert body[21:28].hex() == "02120200000024"
    assert body[28:].hex() == (
        "00130707dc0f0f0f07ef4d80017018400032003300000096002d002d0000000300000101"
    )


def test_a_position_of_2019_holds_a_jt808_location() -> None:
    bodies = positions(Vehicles.of(["粤A12345"], 2), np.array([THEN]), columns(1), edition=2019)
    body = bodies[0].tobytes()
    assert body[22:28].hex() == "120200000054"
    assert body[28:33].hex() == "0000000022"
    assert body[33:61].hex() == "00000101000000030170184007ef4d80002d01f4002d120719151515"
    assert body[61:67].hex() == "0104000005dc"
    assert body[67:] == bytes(45)
    unknown = positions(
        Vehicles.of(["粤A12345"], 2), np.array([THEN]), columns(1, mileage=np.nan), edition=2019
    )
    assert unknown[0, 29:33].tolist() == [0, 0, 0, 28]


def test_what_is_not_known_is_zero_and_hemispheres_are_bits() -> None:
    known = columns(2, **dict.fromkeys(KNOWN, np.nan))
    known["latitude"], known["longitude"] = np.array([-33.9, 31.0]), np.array([-70.0, 121.0])
    known["valid"] = np.array([np.nan, 0.0])
    bodies = positions(Vehicles.of(["沪B1", "沪B2"], 9), np.array([THEN, THEN]), known)
    data = bodies[:, 28:]
    assert data[:, 16:28].max() == 0
    assert data[:, 31].tolist() == [0b1110, 0b0000]
    assert int.from_bytes(data[0, 8:12].tobytes(), "big") == 70_000_000


def test_re_issued_positions_go_five_at_most_by_vehicle_and_time() -> None:
    plates = ["沪A1"] * 7 + ["沪B2"] * 2 + ["沪C3"]
    times = THEN + np.array([7, 6, 5, 4, 3, 2, 1, 9, 8, 5]) * 1_000_000
    known = columns(10)
    known["speed"] = np.arange(10.0)
    found = re_issued(Vehicles.of(plates, 2), times, known)
    assert [(rows.shape, int(bodies[0, 28])) for rows, bodies in found] == [
        ((1, 1), 1),
        ((2, 2), 2),
        ((1, 5), 5),
    ]
    assert found[2][0].tolist() == [[6, 5, 4, 3, 2]]
    body = found[2][1][0].tobytes()
    assert body[22:28].hex() == "1203" + (1 + 5 * 36).to_bytes(4, "big").hex()
    speeds = [int.from_bytes(body[29 + 36 * place + 16 :][:2], "big") for place in range(5)]
    assert speeds == [6, 5, 4, 3, 2]
    assert sorted(row for rows, _ in found for row in rows.ravel().tolist()) == list(range(10))


def test_the_links_own_messages() -> None:
    body = login(20180920, "20180920", 1, "127.0.0.1", 809)
    assert body.hex() == "0133efb83230313830393230" + b"127.0.0.1".hex() + "00" * 23 + "0329"
    assert login(1, "x", 0x01020304, "", 0, edition=2019)[12:16].hex() == "01020304"
    assert logout(1, "secret").hex() == "00000001" + b"secret".hex() + "0000"
    assert read_login_answer(login_answer(4, 77)) == (4, 77)
    with pytest.raises(MessageError):
        read_login_answer(b"\0")
