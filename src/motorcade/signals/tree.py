"""Reads the packaged signal tree: COVESA VSS with our overlay laid over it, as flat leaves.

In: ``data/vss.json.gz`` (a nested tree), ``data/overlay.json`` (flat: path to node).
Out: leaves by path.
Source: COVESA VSS, "Overlays" and "Instances" of its rule set.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from importlib.resources import files

import msgspec

__all__ = ["Node", "read_leaves", "flatten", "overlaid", "packaged"]


class Node(msgspec.Struct, frozen=True, gc=False):
    """One node of the tree as VSS writes it; every key it may have that we use."""

    type: str | None = None
    datatype: str = ""
    unit: str = ""
    description: str = ""
    comment: str = ""
    deprecation: str = ""
    min: float | int | None = None
    max: float | int | None = None
    allowed: tuple[str, ...] = ()
    bits: tuple[str, ...] = ()
    """Ours: the name of each bit of a mask, bit 0 first."""
    origin: str = "vss"
    """``overlay`` where VSS has no such path."""
    instances: tuple[str, ...] = ()
    children: dict[str, Node] = msgspec.field(default_factory=dict)


_TREE = msgspec.json.Decoder(dict[str, Node])


def read_leaves() -> dict[str, Node]:
    """Every leaf of the packaged tree and overlay by path, in the order of the files."""
    vss = _TREE.decode(gzip.decompress(packaged("vss.json.gz")))
    return overlaid(dict(flatten(vss)), _TREE.decode(packaged("overlay.json")))


def packaged(name: str) -> bytes:
    """The bytes of a file of ``data/``."""
    return (files("motorcade.signals") / "data" / name).read_bytes()


def flatten(tree: Mapping[str, Node], prefix: str = "") -> Iterator[tuple[str, Node]]:
    """The leaves below ``tree`` with their full paths, depth first."""
    for name, node in tree.items():
        if node.children:
            yield from flatten(node.children, f"{prefix}{name}.")
        elif node.type != "branch":
            yield prefix + name, node


def overlaid(leaves: Mapping[str, Node], overlay: Mapping[str, Node]) -> dict[str, Node]:
    """``leaves`` with ``overlay`` on top: a known path is completed, a new one is added.

    A branch with ``instances`` multiplies the leaves named below it.
    """
    instances = {path: node.instances for path, node in overlay.items() if node.instances}
    result = dict(leaves)
    for path, node in overlay.items():
        if node.type == "branch":
            continue
        for full in _instantiated(path, instances):
            known = result.get(full)
            result[full] = (
                _completed(known, node)
                if known
                else msgspec.structs.replace(node, origin="overlay")
            )
    return result


def _instantiated(path: str, instances: Mapping[str, tuple[str, ...]]) -> list[str]:
    for branch, names in instances.items():
        if path.startswith(branch + "."):
            rest = path[len(branch) + 1 :]
            return [f"{branch}.{name}.{rest}" for name in names]
    return [path]


def _completed(node: Node, overlay: Node) -> Node:
    blank = Node()
    named = {
        key: getattr(overlay, key)
        for key in Node.__struct_fields__
        if getattr(overlay, key) != getattr(blank, key)
    }
    return msgspec.structs.replace(node, **named)
