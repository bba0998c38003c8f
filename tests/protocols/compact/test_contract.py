"""Compact datagrams under the contract of every protocol."""

from __future__ import annotations

from contract import QUICK, Contract, frames_in
from hypothesis import given
from hypothesis import strategies as st

from motorcade.protocols import compact
from motorcade.protocols.compact.signing import verify
from protocols.compact.datagrams import FRAMES, KEY


class TestCompact(Contract):
    """A cut has no keys, so it lets through what only the signature tells; ``verify`` notices every
    wrong byte. Datagrams are cut apart by the network: a broken one can swallow another only where
    a sender lays them end to end."""

    protocol = compact
    frames = FRAMES

    @QUICK
    @given(data=st.data())
    def test_a_broken_frame_takes_no_good_one_with_it(self, data: st.DataObject) -> None:
        frame = bytearray(data.draw(st.sampled_from(self.frames)))
        frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
        cut = self.protocol.cut([bytes(frame), *self.frames])
        good = cut.frames.take(cut.frames.peer > 0)
        assert [good.bytes_of(row) for row in range(len(good))] == self.frames
        decoded = self.protocol.decode(cut.frames, 0)
        assert sum(map(len, decoded.rows)) + len(decoded.rejects) <= len(cut.frames)

    def test_every_wrong_byte_is_noticed(self) -> None:
        for frame in self.frames:
            for place in range(len(frame)):
                for change in (0x01, 0x80, 0xFF):
                    broken = bytearray(frame)
                    broken[place] ^= change
                    cut = self.protocol.cut([bytes(broken)])
                    if bytes(broken) in frames_in(cut):
                        assert verify(cut.frames, [KEY]).tolist() == [False]
