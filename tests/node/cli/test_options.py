"""Commands about the registry share their options: said once, and the same for all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from motorcade.node.cli import app
from motorcade.node.cli.options import Asked, registry_command


def test_a_command_is_given_what_was_asked_beside_its_own() -> None:
    asked: list[tuple[Asked, str, int]] = []
    group = typer.Typer()

    @registry_command(group, "try")
    def try_(
        given: Asked, name: Annotated[str, typer.Argument(help="Whose.")], count: int = 2
    ) -> None:
        """Try."""
        asked.append((given, name, count))
        given.show({"name": name}, {"name": "other"})

    run = CliRunner()
    said = run.invoke(group, ["acme", "--count", "3", "-d", "there", "--set", "a.b=1", "--json"])
    assert said.output == '{"name": "acme"}\n{"name": "other"}\n'
    assert asked == [(Asked((None, Path("there"), ["a.b=1"]), as_json=True), "acme", 3)]
    plain = run.invoke(group, ["acme"])
    assert plain.output.split() == ["name", "acme", "other"]
    assert asked[-1] == (Asked((None, None, None), as_json=False), "acme", 2)


def _leaves(command: Any, path: str = "") -> dict[str, Any]:
    children = getattr(command, "commands", None)
    if children is None:
        return {path: command}
    found: dict[str, Any] = {}
    for name, child in children.items():
        found |= _leaves(child, f"{path} {name}".strip())
    return found


@pytest.mark.parametrize("group", ["tenant", "key", "vehicle"])
def test_every_command_about_the_registry_has_them_last(group: str) -> None:
    leaves = {n: c for n, c in _leaves(get_command(app)).items() if n.split()[0] == group}
    assert len(leaves) >= 3
    for name, command in leaves.items():
        options = [one.name for one in command.params]
        assert options[-4:] == ["config", "data", "assignments", "as_json"], name
