"""Errors of the producers."""

from __future__ import annotations

__all__ = ["DeliveryFailed", "NoReply"]


class DeliveryFailed(Exception):
    """Error: a reminder was not taken; the text begins with the kind of the failure and holds no secret."""


class NoReply(ConnectionError):
    """Error: the broker can't be reached, or no worker replied in time; the text names which and the remedy."""
