"""The rules of the house that no linter knows: sizes, openings, mirrored tests."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "motorcade"
MODULES = sorted(SOURCE.rglob("*.py"))
FUNCTION_LINES_MAX = 50
MODULE_LINES_MAX = 500

LONGER_FUNCTIONS: frozenset[str] = frozenset()
"""Functions that may be longer than a screen; this list only shrinks."""

TESTED_ELSEWHERE = {
    "__main__": "every command-line test runs it",
    "limits": "each bound is tested where it binds",
    "simulator/figures": "a record without behaviour",
    "signals/maintain": "tests/signals checks that what it generates is current",
}
"""Modules without a test file of their own name, and why."""


def _name(module: Path) -> str:
    return module.relative_to(SOURCE).with_suffix("").as_posix()


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    body = function.body[1:] if is_docstring else function.body
    inner = [node for node in _functions(function) if node is not function]
    nested = sum((node.end_lineno or 0) - node.lineno + 1 for node in inner)
    return (function.end_lineno or 0) - body[0].lineno + 1 - nested if body else 0


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_a_module_opens_with_a_sentence_and_says_what_is_public(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    if not tree.body:
        assert module.name == "__init__.py"
        return
    assert ast.get_docstring(tree), f"{_name(module)} has no opening sentence"
    names = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    defines = names - {"__all__"} or list(_functions(tree))
    if defines and _name(module) != "limits":
        assert "__all__" in names, f"{_name(module)} has no __all__"


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_functions_fit_a_screen_and_modules_a_sitting(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert text.count("\n") <= MODULE_LINES_MAX, f"split {_name(module)} into a folder"
    long = {
        f"{_name(module)}:{function.name}"
        for function in _functions(ast.parse(text))
        if _code_lines(function) > FUNCTION_LINES_MAX
    }
    assert not long - LONGER_FUNCTIONS


def test_every_module_has_its_test_file() -> None:
    missing = []
    for module in MODULES:
        name = _name(module)
        if module.name == "__init__.py" or name in TESTED_ELSEWHERE:
            continue
        folder = ROOT / "tests" / Path(name).parent
        candidates = [folder / f"test_{module.stem}.py", folder.with_name(f"test_{folder.name}.py")]
        candidates += list(folder.glob("test_*.py"))
        if not any(path.exists() and _mentions(path, name) for path in candidates):
            missing.append(name)
    assert not missing, f"no test file speaks of {missing}"


def _mentions(test: Path, name: str) -> bool:
    """Whether a test imports the module, or another name of its folder's public face."""
    stem = Path(name).name
    if test.name == f"test_{stem}.py":
        return True
    return name.replace("/", ".") in test.read_text(encoding="utf-8")


def test_no_question_is_left_in_the_code() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b")
    found = [
        _name(module) for module in MODULES if marks.search(module.read_text(encoding="utf-8"))
    ]
    assert not found


def test_nothing_names_a_registry_or_a_path_of_one_machine() -> None:
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    ).stdout.split(b"\0")
    if files == [b""]:
        pytest.skip("not a git checkout")
    forbidden = re.compile(
        rb"(pypi\.o"
        rb"rg|pythonhosted\.o"
        rb"rg|registry\.npmjs|deb\.debian\.o"
        rb"rg|/work/ma"
        rb"in)"
    )
    found = []
    for name in filter(None, files):
        path = ROOT / name.decode()
        if path.is_file() and path.stat().st_size < 1 << 20 and forbidden.search(path.read_bytes()):
            found.append(name.decode())
    assert not found
