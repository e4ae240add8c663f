"""Actions on persons and on windows of time: their protocols, and their clients over HTTP; the history of an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from control.person import PersonErasure
from producers.errors import NoReply
from rules.actions import AuditContext
from storage.entities import key_text
from storage.key_texts import parse_key

if TYPE_CHECKING:
    import httpx

    from control.resync_windows import ResyncWindow
    from storage.views import OrderFilter
    from storage.views.history import HistoryView

__all__ = ["HttpPeople", "HttpWindows", "People", "Windows", "change_fields", "read_item"]

Document = TypeVar("Document")
_ERASURE = TypeAdapter(PersonErasure)
_COUNTS = TypeAdapter(dict[str, int])
Post = Callable[[str, dict[str, Any]], "httpx.Response"]


class People(Protocol):
    """Actions on persons; each raises `ActionError` as `PersonActions` does."""

    def erase(
        self, document: str, context: AuditContext, /, *, shop: str | None = None, dry_run: bool = False
    ) -> PersonErasure:
        """Erase a person's data; with `dry_run` only count the rows."""


class HttpPeople:
    """Actions on persons over HTTP; `post` sends a request, and raises what a refusal means."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def erase(
        self, document: str, context: AuditContext, *, shop: str | None = None, dry_run: bool = False
    ) -> PersonErasure:
        payload: dict[str, Any] = {"document": document, "shop": shop, "dry_run": dry_run}
        if context.reason is not None:
            payload["reason"] = context.reason
        return _read(_ERASURE, self._post("/api/person/erase", payload))


class Windows(Protocol):
    """Requests of windows of time; each raises `ActionError` as `ResyncWindows` does."""

    def request(self, window: ResyncWindow, context: AuditContext, /, *, dry_run: bool = False) -> int:
        """Request what the ERP has changed in a window; return the number of messages."""


class HttpWindows:
    """Requests of windows of time over HTTP."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def request(self, window: ResyncWindow, context: AuditContext, *, dry_run: bool = False) -> int:
        payload: dict[str, Any] = {"shop": window.shop, "domain": window.domain, "dry_run": dry_run}
        payload |= {"since": window.since.isoformat(), "until": window.until.isoformat()}
        if context.reason is not None:
            payload["reason"] = context.reason
        return _read(_COUNTS, self._post("/api/missed/resync/window", payload))["messages"]


def read_item(view: HistoryView, kind: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the versions of a key, or the outcomes of an event's id, from the database."""
    if kind == "events":
        return [found.document() for found in view.of_event(query["event_id"])]
    shop, domain = query["shop"], query["domain"]
    name = (shop, domain, key_text(domain, parse_key(domain, query["key"])))
    return [found.document() for found in view.of_keys([name]).get(name, [])]


def change_fields(filters: OrderFilter) -> dict[str, Any]:
    """Return the filter of a change of many orders as the API takes it."""
    fields = asdict(filters)
    age = filters.older_than
    keys = fields.pop("keys")
    named = {} if keys is None else {"orders": [{"shop": shop, "order_id": order_id} for shop, order_id in keys]}
    return {**fields, **named, "older_than": None if age is None else age.total_seconds()}


def _read(adapter: TypeAdapter[Document], response: httpx.Response) -> Document:
    try:
        return adapter.validate_json(response.content)
    except ValidationError:
        raise NoReply(f"{response.url} sent an unexpected response: is it Comporta, and the same version?") from None
