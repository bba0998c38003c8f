"""Finds and runs the benches of the source tree, and prints their figures."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import typer

from motorcade.errors import NotFound
from motorcade.simulator.figures import Figure

__all__ = ["run_benches"]

_FOLDER = Path(__file__).parents[3] / "bench"


def run_benches(name: str, *, as_json: bool, quick: bool) -> None:
    """Run bench ``name`` (or ``all``, or ``list``) and print its figures.

    Raises ``NotFound`` for an unknown name, or where the source tree is not there (an installed
    package has no ``bench/``).
    """
    files = {
        path.stem: path
        for path in sorted(_FOLDER.glob("*.py"))
        if "def run(" in path.read_text(encoding="utf-8")
    }
    if not files:
        raise NotFound("benches live in the source tree; run from a clone of the repository")
    if name == "list":
        for stem, path in files.items():
            typer.echo(f"{stem:18} {_first_line(path)}")
        return
    if name != "all" and name not in files:
        raise NotFound(f"there is no bench {name}; there are {', '.join(files)}")
    figures: list[Figure] = []
    for stem in files if name == "all" else [name]:
        if not as_json:
            typer.echo(f"… {stem}", err=True)
        figures += _run(files[stem])(quick)
    if as_json:
        facts = {"figures": msgspec.to_builtins(figures), "machine": _machine()}
        typer.echo(json.dumps(facts))
    else:
        _print(figures)


def _run(path: Path) -> Callable[[bool], list[Figure]]:
    spec = importlib.util.spec_from_file_location(f"bench_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise NotFound(f"{path} cannot be loaded")
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run: Callable[[bool], list[Figure]] = module.run
    return run


def _machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").split('"""')[1].splitlines()[0]


def _print(figures: list[Figure]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Figures", title_justify="left", header_style="bold")
    for column, side in (
        ("figure", "left"),
        ("value", "right"),
        ("unit", "left"),
        ("target", "left"),
    ):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    table.add_column("met")
    for figure in figures:
        met = (
            "" if figure.met is None else ("[green]yes[/green]" if figure.met else "[red]no[/red]")
        )
        table.add_row(figure.name, f"{figure.value:,.4g}", figure.unit, figure.target, met)
    Console().print(table)
    facts = _machine()
    Console().print(f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB")
