"""Operators file: `[[operator]]` tables (TOML) with a name, a role and the SHA-256 of a token."""

from __future__ import annotations

import os
import stat
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Protocol, Self

import structlog
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from control.auth.tokens import LOCAL, Credential, Identity, Role
from schemas.events import SHOP

__all__ = [
    "CredentialStore",
    "OperatorsFile",
    "OperatorsUnreadable",
    "SingleCredential",
    "check_name",
    "parse_operators",
    "read_operators",
]
# The audit holds these names for entries without an operator; an operator of the same name would be confused with them.
_RESERVED_NAMES = (LOCAL.name, "comporta", "unknown")
_LONGEST_NAME = 64
_REMEDIES = {
    "role": "must be viewer, operator or erp",
    "shops": "must be a list of shop ids: a-z, 0-9 and -, 63 at most",
    "token_sha256": "must be the token's SHA-256, 64 digits of 0-9 and a-f; `comporta operator add` writes it",
}
log = structlog.get_logger(__name__)
# A user who may write the file can add an operator; reading by the group is allowed, as a mounted secret has it.
_TOO_OPEN = 0o037
_FileVersion = tuple[int, int, int]


class OperatorsUnreadable(ValueError):
    """An operators file that can't be used: each fault with its place and its remedy."""


def check_name(name: str) -> str:
    """Return the name; raises `ValueError` if it is not allowed."""
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise ValueError(f"must have 1 to {_LONGEST_NAME} printable characters, without a space at either end")
    if name.casefold() in _RESERVED_NAMES:
        raise ValueError(f"the names {', '.join(_RESERVED_NAMES)} are reserved for the audit; choose another")
    return name


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, AfterValidator(check_name)]
    role: Role
    token_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    shops: tuple[Annotated[str, StringConstraints(pattern=f"^{SHOP.pattern}$")], ...] = ()

    @model_validator(mode="after")
    def _erp_has_shops(self) -> Self:
        if self.role is Role.ERP and not self.shops:
            raise ValueError('the role erp requires shops, such as shops = ["main"]: those whose events it may see')
        if self.role is not Role.ERP and self.shops:
            raise ValueError(f"shops belong to the role erp: a {self.role} sees every shop; remove them")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    operator: list[_Entry] = Field(default_factory=list)


_FILE = TypeAdapter(_File)


def read_operators(path: Path) -> tuple[Credential, ...]:
    """Read the credentials of the operators in a file; raises `OperatorsUnreadable`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise OperatorsUnreadable(
            f"{path} does not exist; `comporta operator add NAME --role operator` creates it"
        ) from None
    except OSError as error:
        raise OperatorsUnreadable(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OperatorsUnreadable(f"{path} can't be read: it is not UTF-8") from None
    return parse_operators(text, path)


def parse_operators(text: str, path: Path) -> tuple[Credential, ...]:
    """Parse the text of an operators file; raises `OperatorsUnreadable`."""
    try:
        entries = _FILE.validate_python(tomllib.loads(text)).operator
    except tomllib.TOMLDecodeError as error:
        raise OperatorsUnreadable(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise OperatorsUnreadable(f"{path} can't be used:\n{_faults(error)}") from None
    names, digests = [entry.name for entry in entries], [entry.token_sha256 for entry in entries]
    for field, values in (("name", names), ("token", digests)):
        if duplicates := _first_duplicates(values):
            places = " and ".join(map(_entry, duplicates))
            raise OperatorsUnreadable(f"{path} can't be used: {places} have the same {field}; remove one of them")
    return tuple(Credential(Identity(entry.name, entry.role, entry.shops), entry.token_sha256) for entry in entries)


def _first_duplicates(values: Sequence[str]) -> list[int]:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    return [index for index, value in enumerate(values) if repeated and value == repeated[0]]


def _faults(error: ValidationError) -> str:
    # Without the input: it may be the token itself, written in place of its hash.
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    lines = (f"{_place_text(fault['loc'])}: {_remedy(fault['type'], fault['loc'], fault['msg'])}" for fault in faults)
    return "\n".join(f"  {line}" for line in lines)


def _remedy(kind: str, place: tuple[int | str, ...], message: str) -> str:
    if kind in {"enum", "string_pattern_mismatch"}:
        return _REMEDIES[next(str(part) for part in reversed(place) if isinstance(part, str))]
    return message.removeprefix("Value error, ")


def _place_text(place: tuple[int | str, ...]) -> str:
    entry = [_entry(part) if isinstance(part, int) else str(part) for part in place if part != "operator"]
    return ", ".join(entry or ["operator"])


def _entry(index: int) -> str:
    return f"[[operator]] number {index + 1}"


class CredentialStore(Protocol):
    """A source of credentials."""

    def credentials(self) -> Sequence[Credential]:
        """Return the credentials that are valid now."""


class SingleCredential:
    """The credential of the link that was printed at start, and no other."""

    def __init__(self, credential: Credential) -> None:
        self._credentials = (credential,)

    def credentials(self) -> Sequence[Credential]:
        """Return the single credential."""
        return self._credentials


class OperatorsFile:
    """The operators of a file that may change at any time; raises `OperatorsUnreadable` if it is faulty at start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = _file_version(path)
        self._credentials = read_operators(path)
        self._warn()

    def credentials(self) -> Sequence[Credential]:
        """Return the credentials of the file; while it is faulty, those of its last valid version."""
        # Reading the file's status takes a microsecond: less than any notification.
        version = _file_version(self._path)
        if version != self._version:
            self._version = version
            self._reload()
        return self._credentials

    def _reload(self) -> None:
        try:
            self._credentials = read_operators(self._path)
        except OperatorsUnreadable as error:
            log.error("operators file can't be used, its last valid version stays in force", error=str(error))
            return
        log.info("operators file read again", file=str(self._path), operators=len(self._credentials))
        self._warn()

    def _warn(self) -> None:
        if not self._credentials:
            log.warning("operators file is empty: add an operator with `comporta operator add`", file=str(self._path))
        mode = stat.S_IMODE(self._path.stat().st_mode) if self._path.exists() else 0
        if mode & _TOO_OPEN:
            log.warning("operators file is open to other users: chmod 600", file=str(self._path), mode=f"{mode:04o}")


def _file_version(path: Path) -> _FileVersion | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
