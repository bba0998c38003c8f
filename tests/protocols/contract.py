"""What every protocol must hold, whatever it speaks: a suite to inherit from.

A protocol's test names a class ``Test…(Contract)`` with its ``protocol`` and ``frames``: sealed
frames of different kinds, each a whole one. None of the checks knows the protocol.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from motorcade.protocols.frames import Cut, Decoded, Frames
from motorcade.protocols.inspect import describe_stream

__all__ = ["QUICK", "Contract", "cut_in_slices", "frames_in"]

QUICK = settings(
    max_examples=60,
    deadline=None,
    # The same check runs for every protocol's class; none keeps anything between examples.
    suppress_health_check=[HealthCheck.differing_executors],
)


def frames_in(cut: Cut) -> list[bytes]:
    return [cut.frames.bytes_of(row) for row in range(len(cut.frames))]


def cut_in_slices(protocol: ModuleType, stream: bytes, sizes: list[int]) -> list[bytes]:
    """The frames of a stream that comes in slices; ``sizes`` are used again from the start."""
    found: list[bytes] = []
    rest = b""
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        cut = protocol.cut([rest + stream[at : at + size]])
        found += frames_in(cut)
        rest = cut.remainder.get(0, b"")
        at += size
        turn += 1
    return found


def frames_of_all(protocol: ModuleType, frames: list[bytes]) -> Frames:
    return protocol.cut(frames).frames


def rows_by_frame(decoded: Decoded) -> dict[int, tuple[str, dict[str, object]]]:
    """Each frame's row: kind and every column but the list of qualities' order."""
    found = {}
    for batch, rows in zip(decoded.batches, decoded.rows, strict=True):
        for place, values in zip(rows.tolist(), batch.data.to_pylist(), strict=True):
            known = {name: value for name, value in values.items() if value is not None}
            found[place] = (batch.kind, known)
    return found


@pytest.mark.sweep
class Contract:
    """The checks. Hypothesis draws what is broken; the frames are the protocol's own."""

    protocol: ClassVar[ModuleType]
    frames: ClassVar[list[bytes]]

    def test_it_is_found_by_its_name(self) -> None:
        from motorcade.protocols import find, names

        assert self.protocol.NAME in names()
        assert find(self.protocol.NAME) is self.protocol

    def test_a_frame_is_cut_whole(self) -> None:
        for frame in self.frames:
            cut = self.protocol.cut([frame])
            assert frames_in(cut) == [frame]
            assert not cut.rejects
            assert not cut.remainder

    def test_peers_do_not_mix(self) -> None:
        half = len(self.frames[0]) // 2
        chunks = [self.frames[0][:half], self.frames[-1], b"", self.frames[0][half:]]
        cut = self.protocol.cut(chunks)
        assert frames_in(cut) == [self.frames[-1]]
        assert cut.frames.peer.tolist() == [1]
        assert cut.remainder[0] == chunks[0]

    @QUICK
    @given(data=st.data())
    def test_any_slicing_gives_the_same_frames(self, data: st.DataObject) -> None:
        picks = data.draw(st.lists(st.sampled_from(self.frames), min_size=1, max_size=6))
        noise = data.draw(
            st.lists(st.binary(max_size=30), min_size=len(picks), max_size=len(picks))
        )
        stream = b"".join(a + b for a, b in zip(noise, picks, strict=True))
        sizes = data.draw(st.lists(st.integers(1, 200), min_size=1, max_size=5))
        assert cut_in_slices(self.protocol, stream, sizes) == frames_in(self.protocol.cut([stream]))

    @QUICK
    @given(data=st.data())
    def test_any_slicing_of_many_peers_gives_each_its_frames(self, data: st.DataObject) -> None:
        peers = data.draw(st.integers(2, 4))
        picks = [
            data.draw(st.lists(st.sampled_from(self.frames), min_size=1, max_size=3))
            for _ in range(peers)
        ]
        rest = [b"".join(frames) for frames in picks]
        held = [b""] * peers
        found: list[list[bytes]] = [[] for _ in range(peers)]
        sizes = data.draw(st.lists(st.integers(0, 90), min_size=1, max_size=6).filter(any))
        turn = quiet = 0
        while any(rest):
            chunks = []
            for peer in range(peers):
                # Draws of zeros may meet a peer at every turn: after a while it gets a byte.
                size = max(sizes[turn % len(sizes)], quiet > 50)
                turn += 1 + (peer == 0 and len(sizes) % peers == 0)
                chunks.append(held[peer] + rest[peer][:size])
                rest[peer] = rest[peer][size:]
            quiet += 1
            cut = self.protocol.cut(chunks)
            assert not cut.rejects
            for row, peer in enumerate(cut.frames.peer.tolist()):
                found[peer].append(cut.frames.bytes_of(row))
            held = [cut.remainder.get(peer, b"") for peer in range(peers)]
        assert found == picks

    @QUICK
    @given(data=st.data())
    def test_doubled_and_truncated_streams(self, data: st.DataObject) -> None:
        picks = data.draw(st.lists(st.sampled_from(self.frames), min_size=1, max_size=5))
        stream = b"".join(picks)
        assert frames_in(self.protocol.cut([stream * 2])) == picks * 2
        end = data.draw(st.integers(0, len(stream)))
        cut = self.protocol.cut([stream[:end]])
        whole = frames_in(cut)
        assert whole == picks[: len(whole)]
        assert b"".join(whole) + cut.remainder.get(0, b"") == stream[:end]

    def test_a_session_hands_frames_and_replies_over_once(self) -> None:
        session = self.protocol.Session()
        session.receive_data(b"".join(self.frames))
        assert session.frames_received() == self.frames
        session.data_to_send()
        assert session.frames_received() == []
        assert session.data_to_send() == b""

    def test_replies_are_whole_frames(self) -> None:
        session = self.protocol.Session()
        session.receive_data(b"".join(self.frames * 2))
        cut = self.protocol.cut([session.data_to_send()])
        assert not cut.rejects
        assert not cut.remainder

    def test_an_answer_is_not_answered(self) -> None:
        session = self.protocol.Session()
        session.receive_data(b"".join(self.frames * 2))
        answers = session.data_to_send()
        session.receive_data(answers)
        assert session.data_to_send() == b""

    @QUICK
    @given(data=st.data())
    def test_a_broken_frame_takes_no_good_one_with_it(self, data: st.DataObject) -> None:
        frame = data.draw(st.sampled_from(self.frames))
        place = data.draw(st.integers(0, len(frame) - 1))
        change = data.draw(st.integers(1, 255))
        broken = bytearray(frame)
        broken[place] ^= change
        fill = self.frames * (1 + 70_000 // len(b"".join(self.frames)))
        found = frames_in(self.protocol.cut([bytes(broken) + b"".join(fill)]))
        assert found == fill

    def test_every_wrong_byte_is_noticed(self) -> None:
        for frame in self.frames:
            for place in range(len(frame)):
                for change in (0x01, 0x80, 0xFF):
                    broken = bytearray(frame)
                    broken[place] ^= change
                    assert bytes(broken) not in frames_in(self.protocol.cut([bytes(broken)]))

    @QUICK
    @given(data=st.data())
    def test_sealed_garbage_gives_only_rejects(self, data: st.DataObject) -> None:
        some = []
        for _ in range(data.draw(st.integers(1, 5))):
            frame = bytearray(data.draw(st.sampled_from(self.frames)))
            for place in data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=6)):
                frame[place] = data.draw(st.integers(0, 255))
            end = data.draw(st.integers(1, len(frame)))
            some.append(self.protocol.seal(bytes(frame[:end])))
        cut = self.protocol.cut(some)
        decoded = self.protocol.decode(cut.frames, 0)
        rows = [row for rows in decoded.rows for row in rows.tolist()]
        rejected = [reject.frame for reject in decoded.rejects]
        assert len(set(rows + rejected)) == len(rows) + len(rejected)
        for stream in some:
            list(describe_stream(self.protocol, stream))
            session = self.protocol.Session()
            session.receive_data(stream)

    @QUICK
    @given(garbage=st.binary(max_size=400))
    def test_raw_garbage_gives_only_rejects(self, garbage: bytes) -> None:
        cut = self.protocol.cut([garbage])
        told = sum(len(reject.data) for reject in cut.rejects)
        kept = sum(len(frame) for frame in frames_in(cut)) + len(cut.remainder.get(0, b""))
        assert told + kept == len(garbage)
        self.protocol.decode(cut.frames, 0)
        list(describe_stream(self.protocol, garbage))

    @QUICK
    @given(data=st.data())
    def test_a_frame_is_decoded_the_same_alone_and_among_others(self, data: st.DataObject) -> None:
        picks = data.draw(st.lists(st.sampled_from(self.frames), min_size=1, max_size=8))
        picks = picks * data.draw(st.sampled_from([1, 1, 30]))
        together = rows_by_frame(self.protocol.decode(frames_of_all(self.protocol, picks), 7))
        for place, frame in enumerate(picks[:8]):
            alone = self.protocol.decode(frames_of_all(self.protocol, [frame]), 7)
            assert rows_by_frame(alone).get(0) == together.get(place)

    def test_rows_and_rejects_tell_their_frames(self) -> None:
        frames = frames_of_all(self.protocol, self.frames)
        vehicle = np.arange(1, len(frames) + 1, dtype=np.uint64)
        tenant = np.full(len(frames), 3, np.uint32)
        decoded = self.protocol.decode(frames.addressed(vehicle, tenant), 42)
        for batch, rows in zip(decoded.batches, decoded.rows, strict=True):
            assert batch.numpy("vehicle").tolist() == (rows + 1).tolist()
            assert set(batch.numpy("tenant").tolist()) == {3}
            assert set(batch.numpy("ingest_time").tolist()) == {42}
        for reject in decoded.rejects:
            assert frames.bytes_of(reject.frame) == reject.data
            assert reject.code
            assert reject.reason
