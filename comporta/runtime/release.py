"""Version of this program, as its package says."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["program_version"]


def program_version() -> str:
    """Return the version of the installed package, `0+unknown` if the code runs without being installed."""
    try:
        return version("comporta")
    except PackageNotFoundError:
        return "0+unknown"
