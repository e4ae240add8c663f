"""Imports among the tests: what several share is in tests/support."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
_FILES = sorted(path.relative_to(_TESTS) for path in _TESTS.rglob("*.py") if "node_modules" not in path.parts)


def imported(path: Path) -> Iterator[str]:
    """Name the modules that a file imports, and whatever it imports from them."""
    for node in ast.walk(ast.parse((_TESTS / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def is_test(module: str) -> bool:
    return any(part == "conftest" or part.startswith("test_") for part in module.split("."))


def test_no_file_imports_from_a_test_module_or_a_conftest() -> None:
    assert {str(path): names for path in _FILES if (names := [*filter(is_test, imported(path))])} == {}


def test_every_helper_is_in_support() -> None:
    helpers = [path for path in _FILES if not is_test(path.stem) and path.stem != "__init__"]
    assert {path.parts[0] for path in helpers} == {"support"}
