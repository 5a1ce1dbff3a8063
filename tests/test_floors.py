"""The house of the README's architecture section, held by the import statements themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "flowrunner"
FLOORS = {
    "errors": 0, "platform": 0, "visible": 0,
    "diagnostics": 1, "events": 1, "catalog": 1, "secrets": 1, "json_text": 1, "csv_text": 1,
    "language": 2, "wire": 2,
    "responses": 3, "tools": 3, "journal": 3, "project": 3,
    "recordings": 4, "report": 4, "simulator": 4,
    "engine": 5,
    "commands": 6, "distributed": 6,
    "cli": 7, "__main__": 8,
}  # fmt: skip
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imports(tree: ast.AST) -> list[tuple[ast.stmt, str]]:
    found: list[tuple[ast.stmt, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(node, name) for name in names]
    return [(node, name) for node, name in found if name.split(".")[0] == "flowrunner"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_from_lower_floors_only(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    room = _room(path)
    for _, name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
        other = name.split(".")[1]
        if other in ("__version__", room):
            continue
        lower = FLOORS[other] < FLOORS[room]
        # On the two lowest floors the rooms are single modules of plain values that may lean on
        # one another as long as no circle comes of it; Python itself would refuse a circle.
        plain = FLOORS[other] == FLOORS[room] <= 1
        assert lower or plain, f"{room} (floor {FLOORS[room]}) imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_inside_functions_live_in_cli_only(path: Path) -> None:
    if _room(path) == "cli":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not inner, f"{path.name}:{node.name} imports lazily"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_function_is_endless_and_no_module_swells(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 450, "make it a package of the same name"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_its_idea(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_nothing_evaluates_or_unpickles_or_runs_a_shell() -> None:
    forbidden = {"eval", "exec", "compile", "__import__"}
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                assert name not in forbidden, f"{path}: {name}"
                shell = [k for k in node.keywords if k.arg == "shell"]
                assert not shell, f"{path}: shell="
        assert "pickle" not in path.read_text(encoding="utf-8")
