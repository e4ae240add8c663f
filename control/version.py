"""The version, as the installed package has it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["program_version"]


def program_version() -> str:
    """The version; `0+unknown` where the code runs without having been installed."""
    try:
        return version("comporta")
    except PackageNotFoundError:
        return "0+unknown"
