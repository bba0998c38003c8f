"""The tree: flattening, overlays and instances."""

from __future__ import annotations

from motorcade.signals.tree import Node, flatten, overlaid, read_leaves


def test_flatten_gives_leaves_with_full_paths() -> None:
    tree = {
        "A": Node(
            type="branch",
            children={"B": Node(type="sensor", datatype="float"), "C": Node(type="branch")},
        )
    }
    assert dict(flatten(tree)) == {"A.B": Node(type="sensor", datatype="float")}


def test_overlay_adds_completes_and_multiplies() -> None:
    leaves = {"A.B": Node(type="sensor", datatype="float", description="kept")}
    overlay = {
        "A.B": Node(unit="V"),
        "A.M": Node(type="branch", instances=("M1", "M2")),
        "A.M.X": Node(type="sensor", datatype="uint8"),
    }
    assert overlaid(leaves, overlay) == {
        "A.B": Node(type="sensor", datatype="float", description="kept", unit="V"),
        "A.M.M1.X": Node(type="sensor", datatype="uint8", origin="overlay"),
        "A.M.M2.X": Node(type="sensor", datatype="uint8", origin="overlay"),
    }


def test_packaged_leaves_are_complete() -> None:
    leaves = read_leaves()
    assert all(node.type and node.datatype for node in leaves.values())
    assert all(path.startswith("Vehicle.") for path in leaves)
