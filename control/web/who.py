"""Who asks: a name for the audit, and what the name may do."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from starlette.requests import HTTPConnection

__all__ = ["LOCAL", "Role", "Who", "who_of"]


class Role(StrEnum):
    """What an operator may do: look, or look and act."""

    VIEWER = "viewer"
    OPERATOR = "operator"


class Who(NamedTuple):
    """Somebody who has shown who they are."""

    name: str
    role: Role


# Whoever has the link that was printed at start, where no operators are named.
LOCAL = Who("local", Role.OPERATOR)


def who_of(connection: HTTPConnection) -> Who:
    """Who asks, as the gate has found out."""
    who: Who = connection.scope.get("state", {}).get("who", LOCAL)
    return who
