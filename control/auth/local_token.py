"""Local token: created at start without an operators file, and stored in a file that only the same user can read."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from storage.log import logger

__all__ = [
    "UnsafeTokenFile",
    "delete_local_link",
    "delete_local_token",
    "load_local_token",
    "save_local_link",
    "save_local_token",
]

log = logger(__name__)

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_OTHERS = 0o077
_LONGEST = 4096
_LINK_SUFFIX = ".link"


class UnsafeTokenFile(Exception):
    """A folder or file that is not the user's alone, and is therefore neither written nor trusted."""


def save_local_token(port: int, token: str) -> Path | None:
    """Write the token for the user's own commands and return its path; None, with a warning, without a safe folder."""
    return _save(f"{port}", token)


def save_local_link(port: int, link: str) -> Path | None:
    """Write the login link for the user to read and return its path; None, with a warning, without a safe folder."""
    return _save(f"{port}{_LINK_SUFFIX}", link + "\n")


def delete_local_link(port: int, link: str) -> None:
    """Delete the file that `save_local_link` wrote, if there is one."""
    for folder in _folders():
        delete_local_token(folder / f"{port}{_LINK_SUFFIX}", link + "\n")


def _save(name: str, text: str) -> Path | None:
    for folder in _folders():
        path = folder / name
        try:
            folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            _check(os.lstat(folder), folder, stat.S_ISDIR)
            # Never through a symbolic link, or into a file that another user has created.
            with suppress(FileNotFoundError):
                path.unlink()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE_MODE)
        except (OSError, UnsafeTokenFile) as error:
            log.debug("local token not saved", folder=str(folder), error=str(error))
            continue
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        return path
    log.warning("local token not saved: no folder is this user's alone; set COMPORTA_OPERATORS_FILE")
    return None


def delete_local_token(path: Path, token: str) -> None:
    """Delete the file that `save_local_token` wrote, unless another process has since written its own token."""
    with suppress(OSError, UnsafeTokenFile):
        if _read(path) == token:
            path.unlink()


def load_local_token(port: int) -> str | None:
    """Return the token of the process on this port, or None; raises `UnsafeTokenFile` if the file can't be trusted."""
    paths = [folder / f"{port}" for folder in _folders() if os.path.lexists(folder / f"{port}")]
    for path in sorted(paths, key=lambda path: os.lstat(path).st_mtime, reverse=True):
        _check(os.lstat(path.parent), path.parent, stat.S_ISDIR)
        return _read(path)
    return None


def _folders() -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        yield Path(runtime) / "comporta"
    yield Path(tempfile.gettempdir()) / f"comporta-{os.geteuid()}"


def _read(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnsafeTokenFile(f"{path} can't be read: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        _check(os.fstat(handle), path, stat.S_ISREG)
        return file.read(_LONGEST).decode("ascii", errors="replace")


def _check(status: os.stat_result, path: Path, is_kind: Callable[[int], bool]) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not is_kind(status.st_mode):
        raise UnsafeTokenFile(f"{path} is not of the kind that Comporta creates; remove it")
    if status.st_uid != os.geteuid():
        raise UnsafeTokenFile(f"{path} belongs to another user; remove it, or set COMPORTA_TOKEN")
    if mode & _OTHERS:
        raise UnsafeTokenFile(f"{path} is open to other users (mode {mode:04o}); remove it and start Comporta again")
