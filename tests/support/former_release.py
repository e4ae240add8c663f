"""Wheel of the former release, built from the history of the checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["FORMER", "install_former"]

# The last revision before the migrations that this release adds; to be moved on when it is released.
FORMER = "d8e919e"
_ROOT = Path(__file__).resolve().parents[2]
_UV = Path(sys.executable).with_name("uv")
_OFFLINE = ("--offline", "--no-cache", "--no-config", "--python", sys.executable)


def install_former(folder: Path) -> Path:
    """Build the wheel of the former release and unpack it; return the folder of its packages."""
    sources, wheels, packages = folder / "sources", folder / "wheels", folder / "packages"
    sources.mkdir()
    archive = subprocess.run(["git", "archive", FORMER], cwd=_ROOT, capture_output=True, check=False)
    assert archive.returncode == 0, f"the history lacks {FORMER}: fetch the whole of it ({archive.stderr.decode()})"
    subprocess.run(["tar", "-x", "-C", sources], input=archive.stdout, check=True)
    _run("build", "--wheel", "--no-build-isolation", *_OFFLINE, "--out-dir", str(wheels), str(sources))
    [wheel] = wheels.glob("*.whl")
    _run("pip", "install", "--no-deps", *_OFFLINE, "--target", str(packages), str(wheel))
    return packages


def _run(*arguments: str) -> None:
    done = subprocess.run([_UV, *arguments], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
