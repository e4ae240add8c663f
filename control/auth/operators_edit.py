"""Adds and removes operators in their file; what people wrote around them stays."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import tomlkit
from tomlkit.items import AoT

from control.auth.operators import OperatorsUnreadable, check_name, parse_operators
from control.auth.tokens import Role, digest_of, new_token

__all__ = ["OperatorsUnchanged", "add_operator", "remove_operator"]

_OWNER_ONLY = 0o600
_HEADING = "Who may use Comporta's page and API. Of a token only its SHA-256 is kept.\nA change counts at once."


class OperatorsUnchanged(ValueError):
    """The file could not be changed as asked; says why and what to do instead."""


def add_operator(path: Path, name: str, role: Role) -> str:
    """Adds somebody, makes the file if there is none, and returns their token, which nothing keeps.

    Raises `OperatorsUnchanged`, or `OperatorsUnreadable` for a file that has faults already.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise OperatorsUnchanged(f"the name {name!r}: {error}") from None
    token = new_token()
    with _changing(path) as document:
        if name in _names(document):
            raise OperatorsUnchanged(
                f"{path} names {name} already; remove it first (`comporta operator remove`) to give it a new token"
            )
        entry = tomlkit.table()
        entry.update({"name": name, "role": str(role), "token_sha256": digest_of(token)})
        _entries(document).append(entry)
    return token


def remove_operator(path: Path, name: str) -> None:
    """Removes somebody; raises `OperatorsUnchanged` where the file does not name them, or `OperatorsUnreadable`."""
    with _changing(path) as document:
        names = _names(document)
        if name not in names:
            known = ", ".join(names) or "nobody"
            raise OperatorsUnchanged(f"{path} does not name {name}; it names {known}")
        entries = _entries(document)
        del entries[names.index(name)]
        if not entries:
            document.pop("operator")


def _entries(document: tomlkit.TOMLDocument) -> AoT:
    if not document.get("operator"):
        document.pop("operator", None)
        document.append("operator", tomlkit.aot())
    entries = document["operator"]
    if not isinstance(entries, AoT):
        raise OperatorsUnchanged("operators must be written as [[operator]] tables to be changed from here")
    return entries


def _names(document: tomlkit.TOMLDocument) -> list[str]:
    return [str(entry["name"]) for entry in _entries(document)] if document.get("operator") else []


@contextmanager
def _changing(named: Path) -> Iterator[tomlkit.TOMLDocument]:
    """The document, written back whole when the block ends well; one after the other, where several do this."""
    path = named.resolve()
    try:
        with _alone(path.parent):
            text = path.read_text(encoding="utf-8") if path.exists() else _new_file()
            parse_operators(text, named)
            # An empty line stands before whatever is added.
            document = tomlkit.parse(text.rstrip("\n") + "\n\n")
            yield document
            changed = tomlkit.dumps(document).rstrip("\n") + "\n"
            parse_operators(changed, named)
            _replace(path, changed)
    except OSError as error:
        raise OperatorsUnchanged(f"{named} can't be written: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OperatorsUnreadable(f"{named} can't be read: it is not UTF-8") from None


def _new_file() -> str:
    return "".join(f"# {line}\n" for line in _HEADING.splitlines())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    # The folder and not the file, which is another one after each change.
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    """Whoever reads sees the old file or the new one; the mode and, where allowed, the owner stay."""
    before = path.stat() if path.exists() else None
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, _OWNER_ONLY if before is None else before.st_mode & 0o777)
            if before is not None:
                with suppress(PermissionError):
                    os.fchown(handle, before.st_uid, before.st_gid)
            file.write(text)
            file.flush()
            os.fsync(handle)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
