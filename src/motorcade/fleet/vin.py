"""Vehicle identification numbers: what is one, its check digit, and made-up ones for simulation.

ISO 3779 and GB 16735: 17 characters of digits and capitals without I, O and Q; position 9 is a
check digit (GB 16735-2019 annex A and 49 CFR 565.15: a weighted sum of all positions modulo 11, ten
written X) that vehicles made for China and North America carry and others need not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "VIN_CHARACTERS",
    "FAULTS",
    "valid",
    "fault",
    "faults",
    "faults_of",
    "check_digit",
    "build",
]

VIN_CHARACTERS: Final = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
"""What a VIN may consist of."""

FAULTS: Final = (
    "",
    "vin_length",
    "vin_characters",
    "vin_check_digit",
)
"""Names of what ``faults`` answers by number; 0 is no fault."""

_CHECK_POSITION: Final = 8
_LENGTH: Final = 17
_WEIGHTS: Final = np.array([8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2], dtype=np.int64)
_CHECK_SIGNS: Final = np.frombuffer(b"0123456789X", dtype=np.uint8)
_LETTER_VALUES: Final = (
    "A1 B2 C3 D4 E5 F6 G7 H8 J1 K2 L3 M4 N5 P7 R9 S2 T3 U4 V5 W6 X7 Y8 Z9"  # annex A, table A.2
)
_FOREIGN: Final = 255


def _values() -> NDArray[np.uint8]:
    table = np.full(256, _FOREIGN, dtype=np.uint8)
    table[np.frombuffer(b"0123456789", dtype=np.uint8)] = np.arange(10)
    for pair in _LETTER_VALUES.split():
        table[ord(pair[0])] = int(pair[1])
    return table


_VALUES: Final = _values()


def valid(vin: str, *, check: bool = False) -> bool:
    """Whether ``vin`` is one; with ``check``, also whether its check digit is right."""
    return not fault(vin, check=check)


def fault(vin: str, *, check: bool = False) -> str:
    """What is wrong with ``vin``, a name of ``FAULTS``; empty where nothing is."""
    return FAULTS[int(faults([vin], check=check)[0])]


def faults(vins: Sequence[str], *, check: bool = False) -> NDArray[np.uint8]:
    """For each VIN the index in ``FAULTS`` of what is wrong with it (uint8, 0 where nothing is)."""
    found = np.zeros(len(vins), dtype=np.uint8)
    encoded = [vin.encode("utf-8", "replace") for vin in vins]
    sized = np.fromiter((len(vin) == _LENGTH for vin in encoded), dtype=bool, count=len(encoded))
    found[~sized] = FAULTS.index("vin_length")
    characters = np.frombuffer(
        b"".join([vin for vin in encoded if len(vin) == _LENGTH]), dtype=np.uint8
    )
    found[sized] = faults_of(characters.reshape(-1, _LENGTH), check=check)
    return found


def faults_of(characters: NDArray[np.uint8], *, check: bool = False) -> NDArray[np.uint8]:
    """``faults`` for VINs of the right length as one ``(n, 17)`` uint8 array."""
    values = _VALUES[characters]
    foreign = (values == _FOREIGN).any(axis=1)
    found = np.where(foreign, FAULTS.index("vin_characters"), 0).astype(np.uint8)
    if check:
        wrong = _check_signs(values) != characters[:, _CHECK_POSITION]
        found[wrong & ~foreign] = FAULTS.index("vin_check_digit")
    return found


def check_digit(vin: str) -> str:
    """The check digit ``vin`` should carry in position 9, whatever stands there now."""
    characters = np.frombuffer(vin.encode("ascii"), dtype=np.uint8).reshape(1, _LENGTH)
    return chr(int(_check_signs(_VALUES[characters])[0]))


def build(rng: np.random.Generator, wmi: str, count: int, *, first_serial: int = 0) -> list[str]:
    """``count`` distinct VINs with right check digits that begin with ``wmi`` (3 characters).

    Model and plant are drawn from ``rng``; the last six digits count up from ``first_serial``.
    """
    alphabet = np.frombuffer(VIN_CHARACTERS.encode(), dtype=np.uint8)
    characters = alphabet[rng.integers(0, len(alphabet), size=(count, _LENGTH))]
    characters[:, :3] = np.frombuffer(wmi.encode("ascii"), dtype=np.uint8)
    serials = np.arange(first_serial, first_serial + count, dtype=np.int64)
    for place in range(6):
        characters[:, 16 - place] = ord("0") + serials // 10**place % 10
    characters[:, _CHECK_POSITION] = _check_signs(_VALUES[characters])
    text: list[str] = characters.view(f"S{_LENGTH}").ravel().astype(str).tolist()
    return text


def _check_signs(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The right check digit's character for each row of values, whatever stands in position 9."""
    signs: NDArray[np.uint8] = _CHECK_SIGNS[values.astype(np.int64) @ _WEIGHTS % 11]
    return signs
