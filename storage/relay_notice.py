"""Notice of a commit, as a relay publishes it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

__all__ = ["RelayedNotice"]


class RelayedNotice(NamedTuple):
    """A message to publish.

    Its source knows it by `token`. After a failure the rest of its `lane` waits. What is told `about` one thing is told
    in order; None: nothing else is about it.
    """

    token: Hashable
    lane: str
    about: Hashable
    exchange: str
    routing_key: str
    message_id: str
    body: bytes
