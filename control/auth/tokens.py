"""Tokens of 32 random bytes, of which only the SHA-256 is stored."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

__all__ = ["LOCAL", "Credential", "Identity", "Role", "authenticate", "digest_of", "new_token", "token_beginning"]

# Secret scanners find a token in a repository or a log by this prefix.
_PREFIX = "comporta_"
_BYTES = 32


class Credential(NamedTuple):
    """An operator, and the SHA-256 of their token in hexadecimal."""

    identity: Identity
    digest: str


def new_token() -> str:
    """Return a new random token; it is not stored."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def digest_of(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal, which is stored in its place.

    Without a salt or a slow hash: 2^256 tokens can't be tried, and every request of a program takes this check.
    """
    return sha256(token.encode(errors="surrogateescape")).hexdigest()


def token_beginning(token: str) -> str:
    """Return the first characters of a token: the fixed prefix and eight random ones, too few to guess the rest."""
    return token[: len(_PREFIX) + 8]


def authenticate(token: str, credentials: Iterable[Credential]) -> Credential | None:
    """Return the credential of a token, or None; takes as long for a wrong token as for a right one."""
    digest, match = digest_of(token), None
    for credential in credentials:
        if hmac.compare_digest(digest, credential.digest):
            match = credential
    return match


class Role(StrEnum):
    """A role: a viewer may only read, an operator may also act, an ERP reads what became of its shops' events."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ERP = "erp"


class Identity(NamedTuple):
    """The name and the role of an operator; `shops` are those that the role erp is bound to."""

    name: str
    role: Role
    shops: tuple[str, ...] = ()

    @property
    def may_act(self) -> bool:
        """Return whether the role allows actions."""
        return self.role is Role.OPERATOR

    @property
    def is_erp(self) -> bool:
        """Return whether the identity sees its own shops' events alone."""
        return self.role is Role.ERP


# The bearer of the link that is printed at start without an operators file.
LOCAL = Identity("local", Role.OPERATOR)
