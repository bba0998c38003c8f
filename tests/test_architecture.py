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
    "limits/apps": "each bound is tested where it binds",
    "limits/doors": "each bound is tested where it binds",
    "limits/rooms": "each bound is tested where it binds",
    "log/config": "tests/log sets its fields",
    "simulator/figures": "a record without behaviour",
    "signals/maintain": "tests/signals checks that what it generates is current",
    "fleet/config": "tests/fleet sets its fields",
    "node/benches": "tests/node/cli/test_tools.py runs it",
    "node/engines": "tests/end_to_end runs the platform",
    "node/platform": "tests/end_to_end runs the platform",
    "node/registry_access": "tests/end_to_end uses the commands",
    "node/roles": "tests/end_to_end runs the platform",
    "node/settings_page": "tests/test_docs.py compares the page",
    "node/up": "tests/end_to_end runs the platform",
    "node/cli/options": "tests/end_to_end uses the commands",
    "node/cli/facts": "tests/end_to_end uses the commands",
    "node/cli/registry": "tests/end_to_end uses the commands",
    "node/cli/run": "tests/end_to_end uses the commands",
    "api/gate": "tests/api walks every route",
    "api/pages/document": "tests/end_to_end/test_docs_page.py shows it in a browser",
    "api/pages/root": "tests/api walks every route",
    "api/pages/style": "tests/end_to_end/test_docs_page.py shows it in a browser",
    "api/v1/health": "tests/api walks every route",
    "api/v1/quarantine": "tests/api walks every route",
    "api/v1/signals": "tests/api walks every route",
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
    if defines and not _name(module).startswith("limits/"):
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


def test_every_module_is_tested() -> None:
    """A test file of its name in the mirrored folder, or one of its room that imports it."""
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")}
    missing = []
    for module in MODULES:
        name = _name(module)
        if module.name == "__init__.py" or name in TESTED_ELSEWHERE:
            continue
        room = ROOT / "tests" / Path(name).parts[0]
        dotted = "motorcade." + name.replace("/", ".")
        own = (ROOT / "tests" / name).with_name(f"test_{module.stem}.py")
        if not own.exists() and not any(
            dotted in text for path, text in texts.items() if room in path.parents
        ):
            missing.append(name)
    assert not missing, f"no test of their room speaks of {missing}"


def test_every_limit_binds_somewhere_and_gives_its_reason() -> None:
    text = "\n".join(m.read_text("utf-8") for m in MODULES if m.parent.name == "limits")
    used = "".join(m.read_text("utf-8") for m in MODULES if m.parent.name != "limits")
    names = re.findall(r"^([A-Z][A-Z0-9_]+): Final = .*\n(\"\"\")?", text, re.MULTILINE)
    assert [name for name, _ in names if not re.search(rf"\b{name}\b", used)] == []
    assert [name for name, reason in names if not reason] == []


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
        rb"rg|/wo"
        rb"rk/main)"
    )
    found = []
    for name in filter(None, files):
        path = ROOT / name.decode()
        if path.is_file() and path.stat().st_size < 1 << 20 and forbidden.search(path.read_bytes()):
            found.append(name.decode())
    assert not found
