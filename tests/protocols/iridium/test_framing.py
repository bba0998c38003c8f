"""What is a message, and what is told of one before it is decoded."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.protocols.frames import Reject
from motorcade.protocols.iridium.answers import answer, flags_for
from motorcade.protocols.iridium.elements import CONFIRMED, MO_HEADER, MO_PAYLOAD, encode
from motorcade.protocols.iridium.framing import (
    LENGTH_MAX,
    cut,
    frame_length,
    is_login,
    is_record,
    seal,
    vins,
)
from protocols.iridium.messages import FRAMES, IMEI, mo


def test_every_message_names_its_modem_but_a_confirmation() -> None:
    frames = cut(FRAMES).frames
    assert vins(frames) == [*[IMEI.encode()] * 7, b""]
    assert is_record(frames).tolist() == [*[True] * 5, False, False, False]
    assert not is_login(frames).any()


def test_lengths_are_told_from_the_beginning() -> None:
    message = mo()
    assert frame_length(message[:2]) is None
    assert frame_length(message[:3]) == len(message)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x01\xff\xff\x01", "length"),
        (b"\x01\x00\x00\x01", "length"),
        (b"\x01\x00\x04\x99\x00\x01\x01", "structure"),
        (b"\x01\x00\x05\x05\x00\x02\x01\x01", "structure"),
        (b"GET / HTTP/1.1", "garbage"),
        (encode([(MO_HEADER, bytes(28)), *[(0x70, b"")] * 16]), "structure"),
    ],
)
def test_what_is_no_message_is_told(data: bytes, code: str) -> None:
    found = cut([data, mo()])
    assert len(found.frames) == 1
    assert found.rejects[0].code == code
    assert found.rejects[0].peer == 0


def test_elements_nobody_knows_are_let_through() -> None:
    message = encode([(MO_HEADER, bytes(28)), (0x77, b"new"), (MO_PAYLOAD, b"x" * 1960)])
    assert len(message) < LENGTH_MAX
    assert len(cut([message]).frames) == 1


def test_a_hostile_stream_is_cut_in_no_time() -> None:
    """Starts everywhere that claim much: each is looked at for at most sixteen elements."""
    stream = (b"\x01\x08\x90\x05\x00\x01" + b"\x01" * 7) * 5_000
    assert len(cut([stream]).frames) == 0


def test_sealing_makes_the_length_right() -> None:
    message = mo()
    assert seal(b"\x07\x00\x00" + message[3:]) == message
    assert seal(b"\x01") == b"\x01"


def test_all_that_vehicles_send_is_confirmed_once_it_is_decided() -> None:
    """What is on disk, and what can never be stored: only what may come again is not."""
    frames = cut(FRAMES).frames
    flags = flags_for(frames, [Reject("unknown_vin", "Not registered.", b"", 0)])
    flags[1] = 0
    made = answer(frames, flags, np.zeros(len(frames), bool), 0)
    assert made.length.tolist() == [7, 0, 7, 7, 7, 0, 0, 0]
    assert made.buffer == CONFIRMED * 4
