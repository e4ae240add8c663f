"""Live feed of the page: its open streams, counted."""

from __future__ import annotations

from comporta.web.live import LiveFeed

__all__ = ["open_streams"]


def open_streams(feed: LiveFeed) -> int:
    """Count the readers that a feed has now."""
    return len(feed._readers)
