"""What an operators file says: `[[operator]]` tables with a name, a role and the SHA-256 of a token."""

from __future__ import annotations

import os
import stat
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Protocol

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from control.auth.tokens import LOCAL, Credential, Identity, Role

__all__ = [
    "CredentialStore",
    "OperatorsFile",
    "OperatorsUnreadable",
    "SingleCredential",
    "check_name",
    "parse_operators",
    "read_operators",
]
# These stand in the audit for nobody in particular; an operator of the same name would be taken for them.
_TAKEN = (LOCAL.name, "comporta", "unknown")
_LONGEST_NAME = 64
_WAYS_OUT = {
    "role": "must be viewer or operator",
    "token_sha256": "must be the token's SHA-256, 64 digits of 0-9 and a-f; `comporta operator add` writes it",
}
log = structlog.get_logger(__name__)
# Whoever may write it makes themselves an operator; a group that may read it is what a mounted secret has.
_TOO_OPEN = 0o037
_Version = tuple[int, int, int]


class OperatorsUnreadable(ValueError):
    """An operators file that can't be used: each fault with its place and the way out."""


def check_name(name: str) -> str:
    """The name, if it can be one; raises `ValueError`."""
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise ValueError(f"must have 1 to {_LONGEST_NAME} printable characters, without a space at either end")
    if name.casefold() in _TAKEN:
        raise ValueError(f"the names {', '.join(_TAKEN)} stand for something else in the audit; choose another")
    return name


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, AfterValidator(check_name)]
    role: Role
    token_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    operator: list[_Entry] = Field(default_factory=list)


_FILE = TypeAdapter(_File)


def read_operators(path: Path) -> tuple[Credential, ...]:
    """Everybody whom the file names; raises `OperatorsUnreadable`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise OperatorsUnreadable(
            f"{path} does not exist; `comporta operator add NAME --role operator` makes it"
        ) from None
    except OSError as error:
        raise OperatorsUnreadable(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OperatorsUnreadable(f"{path} can't be read: it is not UTF-8") from None
    return parse_operators(text, path)


def parse_operators(text: str, path: Path) -> tuple[Credential, ...]:
    """The same from the file's text; raises `OperatorsUnreadable`."""
    try:
        entries = _FILE.validate_python(tomllib.loads(text)).operator
    except tomllib.TOMLDecodeError as error:
        raise OperatorsUnreadable(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise OperatorsUnreadable(f"{path} can't be used:\n{_faults(error)}") from None
    for what, values in (("name", [each.name for each in entries]), ("token", [each.token_sha256 for each in entries])):
        if twice := _twice(values):
            raise OperatorsUnreadable(
                f"{path} can't be used: {' and '.join(map(_entry, twice))} have the same {what}; remove one of them"
            )
    return tuple(Credential(Identity(each.name, each.role), each.token_sha256) for each in entries)


def _twice(values: Sequence[str]) -> list[int]:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    return [index for index, value in enumerate(values) if repeated and value == repeated[0]]


def _faults(error: ValidationError) -> str:
    # Without the input: somebody may have written the token itself where its hash belongs.
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    lines = (f"{_place(fault['loc'])}: {_sentence(fault['type'], fault['loc'], fault['msg'])}" for fault in faults)
    return "\n".join(f"  {line}" for line in lines)


def _sentence(kind: str, place: tuple[int | str, ...], message: str) -> str:
    if kind in {"enum", "string_pattern_mismatch"}:
        return _WAYS_OUT[str(place[-1])]
    return message.removeprefix("Value error, ")


def _place(place: tuple[int | str, ...]) -> str:
    entry = [_entry(part) if isinstance(part, int) else str(part) for part in place if part != "operator"]
    return ", ".join(entry or ["operator"])


def _entry(index: int) -> str:
    return f"[[operator]] number {index + 1}"


class CredentialStore(Protocol):
    """Who holds which token."""

    def holders(self) -> Sequence[Credential]:
        """Everybody, by what is known now."""


class SingleCredential:
    """The holder of the link that was printed at start, and nobody else."""

    def __init__(self, holder: Credential) -> None:
        self._holders = (holder,)

    def holders(self) -> Sequence[Credential]:
        """The one."""
        return self._holders


class OperatorsFile:
    """The operators of a file that may change at any time; raises `OperatorsUnreadable` if it is faulty at start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _version(path)
        self._holders = read_operators(path)
        self._warn()

    def holders(self) -> Sequence[Credential]:
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
