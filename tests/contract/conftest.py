"""How hard properties are tried, and Node with the packages of `package-lock.json`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("comporta", deadline=None, max_examples=100)
settings.load_profile("comporta")

Node = Callable[[str, Any], Any]
_FOLDER = Path(__file__).parent
_INSTALLED = _FOLDER / "node_modules" / ".package-lock.json"


@pytest.fixture(scope="session")
def node() -> Node:
    """Runs a script of this folder with a document on its standard input; what it prints is JSON too."""
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        pytest.fail(f"{' and '.join(missing)} not found: apt-get install nodejs npm, or `make services`")
    lock = _FOLDER / "package-lock.json"
    if not _INSTALLED.exists() or _INSTALLED.stat().st_mtime < lock.stat().st_mtime:
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
    return lambda script, document: json.loads(_run(["node", script], json.dumps(document)))


def _run(command: list[str], said: str = "") -> str:
    done = subprocess.run(command, cwd=_FOLDER, input=said, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
