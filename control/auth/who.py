"""Somebody who has shown who they are: a name for the audit, and what the name may do."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["LOCAL", "Role", "Who"]


class Role(StrEnum):
    """What somebody may do: look, or look and act."""

    VIEWER = "viewer"
    OPERATOR = "operator"


class Who(NamedTuple):
    """A name and its role."""

    name: str
    role: Role

    @property
    def may_act(self) -> bool:
        """Whether they may change something, or only look."""
        return self.role is Role.OPERATOR


# Whoever has the link that was printed at start, where no operators are named.
LOCAL = Who("local", Role.OPERATOR)
