"""How hard properties are tried, and Node with the packages of `package-lock.json`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.node import Node, install_packages

settings.register_profile("comporta", deadline=None, max_examples=100)
settings.load_profile("comporta")

_FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def node() -> Node:
    """Runs a script of this folder with a document on its standard input; what it prints is JSON too."""
    install_packages(_FOLDER)
    return lambda script, document: json.loads(_run(["node", script], json.dumps(document)))


def _run(command: list[str], said: str) -> str:
    done = subprocess.run(command, cwd=_FOLDER, input=said, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
