"""Access by two operators in a file, and by the link alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from comporta.runtime.settings import Settings
from comporta.web.access import Access, open_access
from control.auth.operators_edit import add_operator
from control.auth.tokens import Role


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The operators file."""
    return tmp_path / "operators.toml"


@pytest.fixture
def operator(path: Path) -> str:
    """The token of ana, who may act."""
    return add_operator(path, "ana", Role.OPERATOR)


@pytest.fixture
def viewer(path: Path) -> str:
    """The token of rui, who may look."""
    return add_operator(path, "rui", Role.VIEWER)


@pytest.fixture
def operators_access(path: Path, operator: str, viewer: str) -> Access:
    """Operators in a file."""
    return open_access(Settings(operators_file=path))


@pytest.fixture
def link_access() -> Access:
    """Access by the link alone."""
    return open_access(Settings())
