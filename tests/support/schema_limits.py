"""Refusals that no JSON Schema can express."""

from __future__ import annotations

from schemas.reasons import Reason

__all__ = ["BEYOND_A_SCHEMA", "INTEGER_WITH_A_POINT", "NO_JSON_VALUE", "beyond_a_schema"]

# What no schema can say; named in docs/contract/README.md too.
NO_JSON_VALUE = {Reason.MALFORMED_JSON}
BEYOND_A_SCHEMA = {
    Reason.DUPLICATE_KEY, Reason.WINDOW_EMPTY, Reason.AVAILABLE_MISMATCH, Reason.ORDER_SUM, Reason.LINE_SUM,
    Reason.LINE_TWICE,
}  # fmt: skip
INTEGER_WITH_A_POINT = "position = 1.0"


def beyond_a_schema(reason: str, pointer: str) -> bool:
    # What an order holds in fields that nobody reads is passed on, and so must be something that can be kept.
    passed_on = pointer == "/data" and reason in {Reason.NUL_CHARACTER, Reason.NUMBER_RANGE}
    return passed_on or reason in BEYOND_A_SCHEMA
