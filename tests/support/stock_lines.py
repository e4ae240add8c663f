"""Events of stock for files and requests: good ones, and one that must be refused."""

from __future__ import annotations

from typing import Any

from tests.support.event_generator import event

__all__ = ["BAD", "GOOD", "stock"]


def stock(version: int, **data: Any) -> bytes:
    """One balance, of a product named by the version."""
    state = {"product_code": f"P{version}", "branch": "1", "warehouse": "A", "on_hand": "1", "unit": "UN"}
    return event("stock", {**state, "as_of": "2026-01-01T00:00:00Z", **data}, version)


GOOD = [stock(version) for version in range(1, 6)]
BAD = stock(6, on_hand=12.5)
