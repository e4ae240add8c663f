"""Problem details (RFC 9457) of an answer."""

from __future__ import annotations

from typing import Any

__all__ = ["check_problem"]


def check_problem(answer: Any, status: int) -> dict[str, Any]:
    """Return the problem of an answer; fail unless it has this status and only members of RFC 9457 and our API."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"]
    assert problem["detail"]
    assert set(problem) <= {"type", "title", "status", "detail", "errors", "expected", "now"}
    return problem
