"""Signatures: HMAC-SHA-256 under the device's key, eight bytes under a datagram, eight in return.

The first eight bytes of a datagram's HMAC are its signature, the next eight are its *proof*: sent
back, they show that whoever acknowledges has the key and has read this very datagram. ``cut`` lays
its frames into a buffer twice their size; ``verify`` writes the proofs into the second half, where
``answer`` finds them: the key is needed once.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.protocols.frames import Frames

__all__ = [
    "BODY",
    "DATAGRAM_MAX",
    "MAGIC",
    "OVERHEAD",
    "SIGNATURE",
    "encode",
    "proof_of",
    "proofs",
    "seal",
    "verify",
]

MAGIC: Final = 0x4D
BODY: Final = 9
"""Where the body begins: behind the mark and the device's eight bytes."""
SIGNATURE: Final = 8
OVERHEAD: Final = BODY + SIGNATURE
DATAGRAM_MAX: Final = 50


def encode(device: str, body: bytes, key: bytes) -> bytes:
    """A signed datagram; ``device`` as 16 hexadecimal digits. ``Invalid`` where it is no device."""
    try:
        name = bytes.fromhex(device)
    except ValueError:
        name = b""
    if len(name) != BODY - 1:
        raise Invalid(f"a device's name has 16 hexadecimal digits, and {device!r} has not")
    if len(body) > DATAGRAM_MAX - OVERHEAD:
        raise Invalid(f"a body has at most {DATAGRAM_MAX - OVERHEAD} bytes, not {len(body)}")
    said = bytes([MAGIC]) + name + body
    return said + _digest(key, said)[:SIGNATURE]


def seal(frame: bytes, key: bytes = b"") -> bytes:
    """Make mark and signature right, under ``key``: ``frame`` with a signature at its end, whatever
    it is."""
    if len(frame) < OVERHEAD:
        return frame
    said = bytes([MAGIC]) + frame[1:-SIGNATURE]
    return said + _digest(key, said)[:SIGNATURE]


def proof_of(datagram: bytes, key: bytes) -> bytes:
    """What the signature of the datagram's acknowledgement has to be."""
    return _digest(key, datagram[:-SIGNATURE])[SIGNATURE : 2 * SIGNATURE]


def verify(frames: Frames, keys: Sequence[bytes | None]) -> NDArray[np.bool_]:
    """Which datagrams are signed with their device's key (n): bool (n). A device without one signs
    nothing."""
    good = np.zeros(len(frames), bool)
    places = _proof_places(frames)
    for row, key in enumerate(keys):
        if not key:
            continue
        frame = frames.bytes_of(row)
        digest = _digest(key, frame[:-SIGNATURE])
        if hmac.compare_digest(digest[:SIGNATURE], frame[-SIGNATURE:]):
            good[row] = True
            proof = np.frombuffer(digest[SIGNATURE : 2 * SIGNATURE], np.uint8)
            frames.buffer[places[row] : places[row] + SIGNATURE] = proof
    return good


def proofs(frames: Frames) -> NDArray[np.uint8]:
    """The proofs that ``verify`` left: uint8 (n, 8); zeros where it has not, or the signature was
    wrong."""
    found: NDArray[np.uint8] = frames.buffer[_proof_places(frames)[:, None] + np.arange(SIGNATURE)]
    return found


def _proof_places(frames: Frames) -> NDArray[np.int64]:
    return frames.offset + frames.length - SIGNATURE + len(frames.buffer) // 2


def _digest(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, said, "sha256")
