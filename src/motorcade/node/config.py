"""Configuration: defaults, a TOML file, ``MOTORCADE_…`` variables, ``--set``; checked as a whole.

Later sources win: the rooms' own defaults, the file, the environment, the command line. The TOML
tables are the folders of the house; an unknown table or key is an error that names the nearest one.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from motorcade.errors import CallerError, Invalid
from motorcade.node.checks import mistakes
from motorcade.node.rooms import ROOMS, NodeConfig

__all__ = ["ENVIRONMENT_PREFIX", "Settings", "load", "keys"]

ENVIRONMENT_PREFIX = "MOTORCADE_"
_RESERVED_VARIABLES = frozenset({"MOTORCADE_CONFIG", "MOTORCADE_EXTRA_VECTORS"})

_Config = TypeVar("_Config")


class Settings:
    """The whole configuration, checked; one frozen ``Config`` per table.

    ``settings.get(GatewayConfig)`` gives a room its part; ``settings.plain()`` the whole as
    JSON-able tables, ``settings.but({...})`` a copy with some keys replaced.
    """

    def __init__(
        self, tables: Mapping[str, Any], source: Callable[[str], str] = lambda key: ""
    ) -> None:
        """``source`` tells where a key was set, for messages. Raises ``Invalid`` with every
        mistake."""
        wrong = [("", _unknown(name, ROOMS, "table")) for name in tables if name not in ROOMS]
        self._tables: dict[str, dict[str, Any]] = {}
        self._parts: dict[str, Any] = {}
        for name, kind in ROOMS.items():
            table = tables.get(name, {})
            if not isinstance(table, Mapping):
                wrong.append((name, f"must be a table, not {table!r}"))
                continue
            self._tables[name] = dict(table)
            try:
                self._parts[name] = _convert(name, kind, table, wrong)
            except Invalid as error:
                wrong.append((str(error.facts["key"]), error.detail))
        wrong += mistakes(self.plain())
        if wrong:
            raise _all_of(wrong, source)

    def get(self, kind: type[_Config]) -> _Config:
        """The part of the given ``Config`` class."""
        for part in self._parts.values():
            if isinstance(part, kind):
                return part
        raise KeyError(kind)

    @property
    def node(self) -> NodeConfig:
        """The composition root's own table."""
        return self.get(NodeConfig)

    @property
    def data(self) -> Path:
        """The data directory, absolute."""
        return Path(self.node.data).expanduser().resolve()

    def names(self, room: str, key: str) -> bool:
        """Whether a key was given, be it with its default."""
        return key in self._tables[room]

    def plain(self) -> dict[str, Any]:
        """Every key with its value in force, as JSON-able tables."""
        return {name: msgspec.to_builtins(part) for name, part in self._parts.items()}

    def but(self, changes: Mapping[str, Mapping[str, Any]]) -> Settings:
        """A copy with ``changes`` (table to keys) laid over."""
        tables = {name: dict(table) for name, table in self._tables.items()}
        for name, table in changes.items():
            _lay_over(tables.setdefault(name, {}), table)
        return Settings(tables)


def load(
    file: Path | None, environment: Mapping[str, str], assignments: Sequence[str] = ()
) -> Settings:
    """Read and check the configuration.

    ``file`` is TOML (or JSON, as ``motorcade up`` writes for its children); ``assignments`` are
    ``table.key=value`` texts. Raises ``Invalid`` with the place and what would be right.
    """
    tables: dict[str, Any] = _read(file) if file is not None else {}
    known = dict(keys())
    by_variable = {_variable(key): key for key in known}
    sources: dict[str, str] = {}
    for variable, value in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in _RESERVED_VARIABLES:
            continue
        if variable not in by_variable:
            raise Invalid(_unknown(variable, by_variable, "variable"))
        _assign(tables, by_variable[variable], value, known)
        sources[by_variable[variable]] = variable
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator:
            raise Invalid(f"--set wants table.key=value, got {assignment!r}")
        _assign(tables, key.strip(), value.strip(), known)
        sources[key.strip()] = "--set"
    return Settings(tables, lambda key: sources.get(key, str(file or "")))


def keys() -> Iterator[tuple[str, Any]]:
    """Every key as ``table.key`` (or ``table.sub.key``) with its type, for help and checks."""
    for room, kind in ROOMS.items():
        yield from _keys_of(room, kind)


def _keys_of(prefix: str, kind: Any) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from _keys_of(f"{prefix}.{field.encode_name}", hint)
        else:
            yield f"{prefix}.{field.encode_name}", hint


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}") from error
    try:
        if file.suffix == ".json":
            tables = msgspec.json.decode(text)
        else:
            tables = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} is not valid: {error}") from error
    if not isinstance(tables, dict):
        raise Invalid(f"{file} must hold tables")
    return tables


def _assign(tables: dict[str, Any], key: str, value: str, known: Mapping[str, Any]) -> None:
    if key not in known:
        raise Invalid(_unknown(key, known, "key"))
    *path, last = key.split(".")
    table = tables
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise Invalid(f"{key} is given, but {part} is {table!r} and no table")
    table[last] = _parse(key, value, known[key])


def _parse(key: str, value: str, kind: Any) -> Any:
    """A text as the key's type: numbers, booleans and lists as TOML writes them, else the text."""
    for candidate in (_toml_value(value), value):
        try:
            return msgspec.to_builtins(msgspec.convert(candidate, kind, strict=False))
        except msgspec.ValidationError as error:
            problem = error
    raise Invalid(f"{key}: {problem}; got {value!r}")


def _toml_value(value: str) -> Any:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _convert(room: str, kind: Any, table: Mapping[str, Any], wrong: list[tuple[str, str]]) -> Any:
    """The table as its ``Config``; unknown keys are added to ``wrong`` and left out. Raises
    ``Invalid`` with the ``key`` of a value that does not fit."""
    known = [key.split(".", 1)[1] for key, _ in _keys_of(room, kind)]
    fields = {field.encode_name for field in msgspec.structs.fields(kind)}
    for name in table:
        if name not in fields:
            wrong.append((f"{room}.{name}", f"[{room}] " + _unknown(name, known, "key")))
    try:
        return msgspec.convert({key: table[key] for key in table if key in fields}, kind)
    except CallerError as error:
        raise Invalid(error.detail, key=room) from error
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        key = room + path.rstrip("`")
        if "unknown field" in text:
            name = text.split("`")[1]
            raise Invalid(f"[{key}] " + _unknown(name, known, "key"), key=key) from error
        raise Invalid(text, key=key) from error


def _all_of(wrong: Sequence[tuple[str, str]], source: Callable[[str], str]) -> Invalid:
    """One mistake as one line; several as a line each under their number."""
    lines = []
    for key, text in wrong:
        said = text if not key or text.startswith("[") else f"{key}: {text}"
        place = source(key)
        lines.append(f"{said} (from {place})" if place else said)
    if len(lines) == 1:
        return Invalid(lines[0])
    return Invalid("\n  ".join([f"{len(lines)} settings are wrong:", *lines]))


def _unknown(name: str, known: Any, what: str) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `motorcade check-config` lists them all"
    return f"there is no {what} {name}{hint}"


def _variable(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.replace(".", "_").upper()


def _lay_over(table: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping):
            _lay_over(table.setdefault(key, {}), value)
        else:
            table[key] = value
