"""DirectIP under the contract of every protocol."""

from __future__ import annotations

from contract import QUICK, Contract, frames_in
from hypothesis import given
from hypothesis import strategies as st

from motorcade.protocols import iridium
from protocols.iridium.messages import FRAMES


class TestIridium(Contract):
    """DirectIP has no checksum: TCP's is its only one. So a wrong byte is noticed where it breaks
    the structure, and takes no other message with it anywhere."""

    protocol = iridium
    frames = FRAMES

    @QUICK
    @given(data=st.data())
    def test_a_broken_frame_takes_no_good_one_with_it(self, data: st.DataObject) -> None:
        frame = bytearray(data.draw(st.sampled_from(self.frames)))
        frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
        fill = self.frames * (1 + 70_000 // len(b"".join(self.frames)))
        found = frames_in(self.protocol.cut([bytes(frame) + b"".join(fill)]))
        assert found[-len(fill) :] == fill
        assert found[: -len(fill)] in ([], [bytes(frame)])

    def test_every_wrong_byte_is_noticed(self) -> None:
        for frame in self.frames:
            for place in (0, 1, 2, 3, 4, 5):
                for change in (0x01, 0x80, 0xFF):
                    broken = bytearray(frame)
                    broken[place] ^= change
                    assert frames_in(self.protocol.cut([bytes(broken)])) == []
