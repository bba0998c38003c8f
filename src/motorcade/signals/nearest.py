"""What somebody may have meant by a path the catalogue does not know, found without a search."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

from motorcade.signals.catalogue import Catalogue

__all__ = ["Nearest"]

_SEARCHES_MAX: Final = 8
"""Close matches looked for by one ``Nearest``: each costs some 0.1 ms, and names are the sender's
to choose."""

_CHARS_MAX: Final = 200
"""No path is longer; comparing strings costs the product of their lengths."""


class Nearest:
    """Suggestions for unknown paths: the same path in other letters, the same leaf on another
    branch, a like name on the same branch."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._left = _SEARCHES_MAX
        self._by_lower: dict[str, str] = {}
        self._by_leaf: dict[str, list[str]] = {}
        self._by_branch: dict[str, list[str]] = {}
        for path in catalogue:
            branch, _, leaf = path.rpartition(".")
            self._by_lower[path.lower()] = path
            self._by_leaf.setdefault(leaf.lower(), []).append(path)
            self._by_branch.setdefault(branch.lower(), []).append(path)
        for paths in self._by_leaf.values():  # the standard's own first, then the shortest
            paths.sort(key=lambda one: (catalogue[one].origin != "vss", len(one)))

    def near(self, path: str) -> list[str]:
        """At most three paths."""
        lower = path[:_CHARS_MAX].lower()
        branch, _, leaf = lower.rpartition(".")
        same = self._by_lower.get(lower)
        if same:
            return [same]
        found = self._by_leaf.get(leaf, [])[:3]
        if not found and self._left:
            self._left -= 1
            beside = self._by_branch.get(branch, [])
            leaves = {one.rpartition(".")[2].lower(): one for one in beside}
            found = [leaves[one] for one in get_close_matches(leaf, leaves, n=3, cutoff=0.6)]
        return found

    def reason(self, path: Any) -> str:
        """A sentence about an unknown path."""
        if not isinstance(path, str):
            return "Names of signals are text."
        near = self.near(path)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"The catalogue has no such signal.{hint}"
