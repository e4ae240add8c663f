"""Node, and its packages as a lock file has them."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Node", "install_packages"]

# Runs a script with a document on its standard input; returns the document that it prints.
Node = Callable[[str, Any], Any]


def install_packages(folder: Path) -> None:
    """Install what the folder's `package-lock.json` names, unless it is there already."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    assert not missing, f"{' and '.join(missing)} not found: apt-get install nodejs npm, or `make services`"
    installed, locked = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    # Processes of tests share the folder, and npm empties it first: one installs, and the others wait for its end.
    with locked.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.is_file() and installed.stat().st_mtime >= locked.stat().st_mtime:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, f"npm ci failed in {folder.name}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
