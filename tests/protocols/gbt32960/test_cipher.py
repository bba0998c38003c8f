"""AES-128 data units against the published test values of the cipher (FIPS 197, appendix C.1)."""

from __future__ import annotations

import pytest

from motorcade.protocols.gbt32960.cipher import closed, decrypt, encrypt, opened, sealed
from motorcade.protocols.gbt32960.settings import TenantSettings

KEY = TenantSettings(aes_key=bytes(range(16)), aes_padding="none")
PLAIN = bytes.fromhex("00112233445566778899aabbccddeeff")
HIDDEN = bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")


def test_the_published_block() -> None:
    assert encrypt(PLAIN, KEY) == HIDDEN
    assert decrypt(HIDDEN, KEY) == PLAIN


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100])
def test_padding_comes_off_again(size: int) -> None:
    known = TenantSettings(aes_key=bytes(range(16)))
    unit = bytes(range(size))
    assert decrypt(encrypt(unit, known), known) == unit


def test_what_does_not_open() -> None:
    known = TenantSettings(aes_key=bytes(range(16)))
    assert decrypt(b"x" * 15, known) is None
    assert decrypt(HIDDEN, known) is None
    assert decrypt(HIDDEN, TenantSettings()) is None
    assert decrypt(HIDDEN, TenantSettings(aes_key=b"short")) is None


def test_a_frame_is_closed_and_opened() -> None:
    frame = sealed(b"##\x02\xfe" + b"V" * 17 + b"\x01\0\0" + b"hello")
    known = TenantSettings(aes_key=bytes(16))
    hidden = closed(frame, known)
    assert hidden[21] == 3
    assert opened(hidden, known) == frame
