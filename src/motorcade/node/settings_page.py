"""The settings page: every key with type, default and meaning, taken from the ``Config`` classes.

``python -m motorcade.node.settings_page`` prints what ``docs/settings.md`` must hold.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from motorcade.node.config import ENVIRONMENT_PREFIX
from motorcade.node.rooms import ROOMS

__all__ = ["page"]

_HEAD = """\
# Settings

One TOML file (`--config`), `MOTORCADE_…` variables, `--set table.key=value`; later wins.
`motorcade check-config` prints the values in force. This page is generated:
`python -m motorcade.node.settings_page > docs/settings.md`.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    shown: dict[Any, str] = {}
    for room, kind in ROOMS.items():
        parts += _table(room, kind, shown)
    return "\n".join(parts) + "\n"


def _table(name: str, kind: Any, shown: dict[Any, str], given: Any = None) -> Iterator[str]:
    """A table's lines; ``shown`` holds where a kind of table was explained already, ``given`` the
    defaults of one that is a field of another."""
    variable = ENVIRONMENT_PREFIX + name.replace(".", "_").upper() + "_…"
    if kind in shown:
        other = {
            field.encode_name: getattr(given, field.name)
            for field in msgspec.structs.fields(kind)
            if getattr(given, field.name) != field.default
        }
        differ = ", ".join(f"`{key}` = `{_json(value)}`" for key, value in other.items())
        yield f"## `[{name}]`\n\nThe keys of `[{shown[kind]}]`, {differ or 'with their defaults'}."
        yield f"\nVariables: `{variable}`.\n"
        return
    shown[kind] = name
    about = " ".join((inspect.getdoc(kind) or "").split())
    yield f"## `[{name}]`\n\n{about}\n"
    yield "| key | default | meaning |\n| --- | --- | --- |"
    meanings = _meanings(kind)
    hints = get_type_hints(kind)
    nested = []
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        default = field.default
        if default is msgspec.NODEFAULT:
            default = field.default_factory() if callable(field.default_factory) else ""
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            nested.append((f"{name}.{field.encode_name}", hint, default))
            continue
        if get_origin(hint) is dict and issubclass(get_args(hint)[1], msgspec.Struct):
            nested.append((f"{name}.{field.encode_name}.NAME", get_args(hint)[1], None))
        yield f"| `{field.encode_name}` | `{_json(default)}` | {meanings.get(field.name, '')} |"
    yield f"\nVariables: `{variable}`.\n"
    for path, inner, values in nested:
        if values is not None or inner not in shown:
            yield from _table(path, inner, shown, values)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _meanings(kind: Any) -> dict[str, str]:
    """The string that follows each field in its class's source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    found: dict[str, str] = {}
    name = ""
    for node in getattr(tree, "body", []):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name] = " ".join(str(node.value.value).split())
            name = ""
    return found


if __name__ == "__main__":
    sys.stdout.write(page())
