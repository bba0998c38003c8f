"""Topic templates of a bridge: what to subscribe, and which vehicle and channel a topic names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from motorcade.errors import Invalid

__all__ = ["Template", "templates_of"]

_WORD: Final = re.compile(r"\{(vin|channel)\}")


class Template:
    """``fleet/{vin}/up/{channel}``: ``filter`` is what is subscribed, ``read`` tells what a topic
    names. ``Invalid`` where it is no template."""

    def __init__(self, text: str) -> None:
        levels = text.split("/")
        if text.count("{vin}") != 1 or text.count("{channel}") > 1:
            raise Invalid(f"topic {text!r} needs one {{vin}} and at most one {{channel}}")
        pattern: list[str] = []
        for place, level in enumerate(levels):
            if level == "#" and place == len(levels) - 1:
                pattern.append(".*")
                continue
            rest = _WORD.sub("", level)
            if (level != "+" and set(rest) & set("+#")) or "{" in rest or "}" in rest:
                raise Invalid(f"level {level!r} of topic {text!r} is no word, {{vin}}, + or #")
            pattern.append(_pattern(level))
        self.text = text
        self.filter = "/".join("+" if _WORD.search(level) else level for level in levels)
        self._pattern = re.compile("/".join(pattern), re.DOTALL)

    def read(self, topic: str) -> tuple[str, str] | None:
        """VIN and channel (empty where the template has none); None for another topic."""
        found = self._pattern.fullmatch(topic)
        if found is None:
            return None
        named = found.groupdict()
        return named["vin"], named.get("channel", "")


def templates_of(topics: Sequence[str]) -> list[Template]:
    """The templates of a bridge; ``Invalid`` for none at all or a wrong one."""
    if not topics:
        raise Invalid("a bridge needs at least one topic")
    return [Template(text) for text in topics]


def _pattern(level: str) -> str:
    if level == "+":
        return "[^/]*"
    parts: list[str] = []
    at = 0
    for word in _WORD.finditer(level):
        parts.append(re.escape(level[at : word.start()]))
        parts.append(f"(?P<{word[1]}>[^/]+)")
        at = word.end()
    parts.append(re.escape(level[at:]))
    return "".join(parts)
