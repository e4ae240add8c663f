"""What can go wrong on the way out, a sentence each."""

from __future__ import annotations

__all__ = ["NoReply"]


class NoReply(ConnectionError):
    """Nobody could be reached, or nobody answered in time; the text says which and what to do."""
