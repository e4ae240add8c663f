"""Tokens: 32 random bytes each, of which only the SHA-256 is kept."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

__all__ = ["LOCAL", "Credential", "Identity", "Role", "authenticate", "digest_of", "new_token"]


# A token that has strayed into a repository or a log is found by this.
_PREFIX = "comporta_"


_BYTES = 32


class Credential(NamedTuple):
    """Somebody, and the SHA-256 of their token in hexadecimal."""

    who: Identity
    digest: str


def new_token() -> str:
    """A token that nobody can guess; nothing keeps it."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def digest_of(token: str) -> str:
    """What is kept of a token.

    No salt and no slow hash: nobody tries 2^256 tokens, and every request of a program is checked with this.
    """
    return sha256(token.encode(errors="surrogateescape")).hexdigest()


def authenticate(token: str, holders: Iterable[Credential]) -> Credential | None:
    """Whose token it is; takes as long for a wrong one as for a right one."""
    digest, found = digest_of(token), None
    for holder in holders:
        if hmac.compare_digest(digest, holder.digest):
            found = holder
    return found


class Role(StrEnum):
    """What somebody may do: look, or look and act."""

    VIEWER = "viewer"
    OPERATOR = "operator"


class Identity(NamedTuple):
    """A name and its role."""

    name: str
    role: Role

    @property
    def may_act(self) -> bool:
        """Whether they may change something, or only look."""
        return self.role is Role.OPERATOR


# Whoever has the link that was printed at start, where no operators are named.
LOCAL = Identity("local", Role.OPERATOR)
