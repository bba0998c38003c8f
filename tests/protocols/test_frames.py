"""The columns every protocol hands the gateway."""

from __future__ import annotations

import numpy as np

from motorcade.protocols.frames import Decoded, Frames, Reject


def some() -> Frames:
    return Frames(
        np.frombuffer(b"aabbbc", np.uint8),
        np.array([0, 2, 5]),
        np.array([2, 3, 1]),
        np.array([0, 0, 4]),
        np.zeros(3, np.uint64),
        np.zeros(3, np.uint32),
    )


def test_rows_taken_share_the_buffer() -> None:
    taken = some().take(np.array([False, True, True]))
    assert [taken.bytes_of(row) for row in range(len(taken))] == [b"bbb", b"c"]
    assert taken.peer.tolist() == [0, 4]


def test_addressed() -> None:
    frames = some().addressed(np.arange(3, dtype=np.uint64), np.ones(3, np.uint32))
    assert frames.vehicle.tolist() == [0, 1, 2]
    assert frames.tenant.tolist() == [1, 1, 1]


def test_defaults() -> None:
    assert Reject("code", "reason", b"").frame == -1
    assert Decoded((), ()).rejects == ()
