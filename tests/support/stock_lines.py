"""Stock events for files and requests, one a line: good ones, and one that must be refused."""

from __future__ import annotations

from typing import Any

from tests.support.event_generator import event_body

__all__ = ["BAD_LINE", "GOOD_LINES", "stock_line"]


def stock_line(version: int, **data: Any) -> bytes:
    """Build the balance of a product named by the version."""
    state = {"product_code": f"P{version}", "branch": "1", "warehouse": "A", "on_hand": "1", "unit": "UN"}
    return event_body("stock", {**state, "as_of": "2026-01-01T00:00:00Z", **data}, version)


GOOD_LINES = [stock_line(version) for version in range(1, 6)]
BAD_LINE = stock_line(6, on_hand=12.5)
