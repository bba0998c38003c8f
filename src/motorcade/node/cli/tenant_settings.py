"""A tenant's settings from the command line: a JSON file, or single keys laid over what is set."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from motorcade.errors import Invalid

if TYPE_CHECKING:
    from motorcade.fleet.settings import TenantSettings

__all__ = ["changed", "read"]


def read(file: Path) -> Any:
    """A JSON file's content; ``Invalid`` says why it cannot be had."""
    try:
        return json.loads(file.read_text())
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise Invalid(f"{file} is not JSON: {error}") from error


def changed(settings: TenantSettings, assignments: Sequence[str]) -> TenantSettings:
    """``settings`` with ``key=value`` laid over, ``gbt32960.aes_mode=cbc`` for a nested one; a
    value is JSON, else text; several prefixes may be separated by commas. ``Invalid``."""
    from motorcade.fleet.settings import settings_from_json

    content = msgspec.to_builtins(settings, str_keys=True)
    known = dict(_keys(content))
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        key = key.strip()
        if not separator:
            raise Invalid(f"--set wants key=value, got {assignment!r}")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise Invalid(f"a tenant has no setting {key}; {hint}")
        *path, last = key.split(".")
        table = content
        for part in path:
            table = table[part]
        table[last] = _value(text.strip(), known[key])
    return settings_from_json(content)


def _keys(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _value(text: str, before: Any) -> Any:
    """A text as what stood there: a text stays one though it looks like a number."""
    if isinstance(before, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        pass
    if isinstance(before, (list, tuple)):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
