"""Edits of the operators file: add and remove operators; comments and layout stay."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import tomlkit
from tomlkit.items import AoT

from control.auth.operators import OperatorsUnreadable, check_name, parse_operators
from control.auth.tokens import Role, digest_of, new_token

__all__ = ["OperatorsUnchanged", "add_operator", "remove_operator"]

_OWNER_ONLY = 0o600
_HEADING = "Operators of Comporta's page and API. Only a token's SHA-256 is stored.\nA change takes effect at once."


class OperatorsUnchanged(ValueError):
    """A change of the file that could not be made, with the reason and the remedy."""


def add_operator(path: Path, name: str, role: Role, shops: Sequence[str] = ()) -> str:
    """Add an operator, creating the file if needed, and return the new token, which is not stored.

    `shops` are those that the role erp is bound to.

    Raises `OperatorsUnchanged`, or `OperatorsUnreadable` for a file that has faults already.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise OperatorsUnchanged(f"the name {name!r}: {error}") from None
    token = new_token()
    with _edited(path) as document:
        if name in _names(document):
            raise OperatorsUnchanged(
                f"{path} names {name} already; remove it first (`comporta operator remove`) to give it a new token"
            )
        entry = tomlkit.table()
        entry.update({"name": name, "role": str(role), "token_sha256": digest_of(token)})
        if shops:
            entry.update({"shops": list(shops)})
        _entries(document).append(entry)
    return token


def remove_operator(path: Path, name: str) -> None:
    """Remove an operator; raises `OperatorsUnchanged` if the file does not name them, or `OperatorsUnreadable`."""
    with _edited(path) as document:
        names = _names(document)
        if name not in names:
            known = ", ".join(names) or "no operator"
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
        raise OperatorsUnchanged("operators must be written as [[operator]] tables for this command to change them")
    return entries


def _names(document: tomlkit.TOMLDocument) -> list[str]:
    return [str(entry["name"]) for entry in _entries(document)] if document.get("operator") else []


@contextmanager
def _edited(requested_path: Path) -> Iterator[tomlkit.TOMLDocument]:
    """Yield the document, and write it back whole if the block succeeds; concurrent edits run one after the other."""
    path = requested_path.resolve()
    try:
        with _locked(path.parent):
            text = path.read_text(encoding="utf-8") if path.exists() else _new_file()
            parse_operators(text, requested_path)
            # A new entry is separated by an empty line.
            document = tomlkit.parse(text.rstrip("\n") + "\n\n")
            yield document
            changed = tomlkit.dumps(document).rstrip("\n") + "\n"
            parse_operators(changed, requested_path)
            _replace(path, changed)
    except OSError as error:
        raise OperatorsUnchanged(f"{requested_path} can't be written: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OperatorsUnreadable(f"{requested_path} can't be read: it is not UTF-8") from None


def _new_file() -> str:
    return "".join(f"# {line}\n" for line in _HEADING.splitlines())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # The lock is on the folder: the file is replaced at each change.
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    """Replace the file atomically; its mode and, where allowed, its owner stay."""
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
