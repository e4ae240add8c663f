"""Logger whose library is loaded with the first line that is written: most commands write none."""

from __future__ import annotations

from typing import Any

__all__ = ["logger"]


class _Logger:
    """A logger of structlog; the library also loads what shows errors on a terminal, which takes a while."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        import structlog

        return getattr(structlog.get_logger(self._name), name)


def logger(name: str) -> Any:
    """Return the logger of a module."""
    return _Logger(name)
