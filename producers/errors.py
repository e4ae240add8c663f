"""Errors of the producers."""

from __future__ import annotations

__all__ = ["NoReply"]


class NoReply(ConnectionError):
    """Error: the broker can't be reached, or no worker replied in time; the text names which and the remedy."""
