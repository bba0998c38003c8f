"""The quarantine as a table: long frames are cut, short ones are whole."""

from __future__ import annotations

from motorcade.node.cli.facts import _cut


def test_long_frames_are_cut_for_a_table() -> None:
    assert _cut({"code": "x", "hex": "23" * 16})["hex"] == "23" * 16
    assert _cut({"code": "x", "hex": "23" * 100}) == {
        "code": "x",
        "hex": "23" * 16 + "… (100 bytes, --hex)",
    }
