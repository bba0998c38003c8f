"""Codes of JT/T 808 terminals: stable, one's own, and of a length every terminal takes."""

from __future__ import annotations

from hashlib import sha256

from motorcade.fleet.codes import code_digest, code_of

SECRET = bytes(range(32))


def test_a_code_is_the_same_for_ever() -> None:
    """Terminals hold it for years: a change here would lock them all out."""
    assert code_of(SECRET, 1, 0) == "34QMZRWQHU73AKWA"


def test_nobody_elses_code_fits() -> None:
    codes = {code_of(SECRET, vehicle, turn) for vehicle in range(1, 1001) for turn in range(3)}
    assert len(codes) == 3000
    assert all(len(code) == 16 and code.isascii() for code in codes)
    assert code_of(b"x" * 32, 1, 0) not in codes


def test_what_it_is_compared_by() -> None:
    assert code_digest("ABC") == sha256(b"ABC").digest()
