"""Everybody who may come in, as it stands just now."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import structlog

from control.auth.operators import OperatorsUnreadable, read_operators
from control.auth.tokens import Holder

__all__ = ["OneHolder", "OperatorsFile", "Registry"]

log = structlog.get_logger(__name__)

# Whoever may write it makes themselves an operator; a group that may read it is what a mounted secret has.
_TOO_OPEN = 0o037
_Version = tuple[int, int, int]


class Registry(Protocol):
    """Who holds which token."""

    def holders(self) -> Sequence[Holder]:
        """Everybody, by what is known now."""


class OneHolder:
    """The holder of the link that was printed at start, and nobody else."""

    def __init__(self, holder: Holder) -> None:
        self._holders = (holder,)

    def holders(self) -> Sequence[Holder]:
        """The one."""
        return self._holders


class OperatorsFile:
    """The operators of a file that may change at any time; raises `OperatorsUnreadable` if it is faulty at start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _version(path)
        self._holders = read_operators(path)
        self._warn()

    def holders(self) -> Sequence[Holder]:
        """Everybody whom the file names; while it is faulty, everybody whom it named before."""
        # A look at the file's date takes a microsecond: less than any way of being told.
        version = _version(self._path)
        if version != self._seen:
            self._seen = version
            self._read_again()
        return self._holders

    def _read_again(self) -> None:
        try:
            self._holders = read_operators(self._path)
        except OperatorsUnreadable as error:
            log.error("operators file can't be used, what it said before still counts", error=str(error))
            return
        log.info("operators file read again", file=str(self._path), operators=len(self._holders))
        self._warn()

    def _warn(self) -> None:
        if not self._holders:
            log.warning("operators file names nobody: add somebody with `comporta operator add`", file=str(self._path))
        mode = stat.S_IMODE(self._path.stat().st_mode) if self._path.exists() else 0
        if mode & _TOO_OPEN:
            log.warning(
                "operators file is open to others than its owner: chmod 600", file=str(self._path), mode=f"{mode:04o}"
            )


def _version(path: Path) -> _Version | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
