"""Actions on persons: their protocol, and their client over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import TypeAdapter, ValidationError

from control.person import PersonErasure
from producers.errors import NoReply
from rules.actions import AuditContext

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpPeople", "People"]

_ERASURE = TypeAdapter(PersonErasure)


class People(Protocol):
    """Actions on persons; each raises `ActionError` as `PersonActions` does."""

    def erase(
        self, document: str, context: AuditContext, /, *, shop: str | None = None, dry_run: bool = False
    ) -> PersonErasure:
        """Erase a person's data; with `dry_run` only count the rows."""


class HttpPeople:
    """Actions on persons over HTTP; `post` sends a request, and raises what a refusal means."""

    def __init__(self, post: Callable[[str, dict[str, Any]], httpx.Response]) -> None:
        self._post = post

    def erase(
        self, document: str, context: AuditContext, *, shop: str | None = None, dry_run: bool = False
    ) -> PersonErasure:
        payload: dict[str, Any] = {"document": document, "shop": shop, "dry_run": dry_run}
        if context.reason is not None:
            payload["reason"] = context.reason
        response = self._post("/api/person/erase", payload)
        try:
            return _ERASURE.validate_json(response.content)
        except ValidationError:
            raise NoReply(
                f"{response.url} sent an unexpected response: is it Comporta, and the same version?"
            ) from None
