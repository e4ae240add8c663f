"""How the command line acts: as the API does, or through it where the broker is inside the running process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote

import orjson
from pydantic import TypeAdapter, ValidationError

from control.actions import ResyncResult
from control.replay import ReplayResult
from producers.errors import NoReply
from rules.actions import AuditContext, Conflict, NotConfirmed, NotFound
from storage.views import MissedFilter, OrderFilter, QuarantineFilter

if TYPE_CHECKING:
    import httpx

    from storage.views import MissedFilter, OrderFilter, QuarantineFilter

__all__ = ["Actions", "HttpActions"]

Document = TypeVar("Document")
_REPLAYED, _NUMBERS = TypeAdapter(ReplayResult), TypeAdapter(dict[str, int])
_REFUSALS = {kind.status: kind for kind in (NotFound, Conflict, NotConfirmed)}
# An act on many takes as long as it takes.
_PATIENCE = 3600.0


class Actions(Protocol):
    """What a command may do; each raises `ActError` as `Acting` does."""

    def count_quarantined(self, chosen: QuarantineFilter) -> int:
        """How many messages are chosen."""

    def replay(self, identity: str, asked: AuditContext) -> None:
        """Publishes one message again."""

    def replay_many(self, chosen: QuarantineFilter, asked: AuditContext, expected: int | None = None) -> ReplayResult:
        """Publishes the chosen messages again."""

    def drop(self, identity: str, asked: AuditContext) -> None:
        """Removes one message for good."""

    def drop_many(self, chosen: QuarantineFilter, asked: AuditContext, expected: int | None = None) -> int:
        """Removes the chosen messages for good."""

    def resync(self, wanted: MissedFilter, asked: AuditContext, *, dry_run: bool = False) -> ResyncResult:
        """Asks the ERP for missed keys."""

    def retry(self, shop: str, order_id: str, asked: AuditContext) -> bool:
        """Lets an order be sent again."""

    def count_retryable(self, which: OrderFilter) -> int:
        """How many orders are meant."""

    def retry_many(self, which: OrderFilter, asked: AuditContext, expected: int | None = None) -> int:
        """Lets many orders be sent again."""


class HttpActions:
    """Asks the running process, which knows by the token who asks; `ask` sends one request."""

    def __init__(self, ask: Callable[..., httpx.Response]) -> None:
        self._ask = ask

    def count_quarantined(self, chosen: QuarantineFilter) -> int:
        return self._numbers("/api/quarantine/drop", {"filter": _said(chosen), "dry_run": True})["chosen"]

    def replay(self, identity: str, asked: AuditContext) -> None:
        self._post(f"/api/quarantine/{quote(identity, safe='')}/replay", _why(asked))

    def replay_many(self, chosen: QuarantineFilter, asked: AuditContext, expected: int | None = None) -> ReplayResult:
        said = {"filter": _said(chosen), "expected": expected, **_why(asked)}
        return _read(_REPLAYED, self._post("/api/quarantine/replay", said))

    def drop(self, identity: str, asked: AuditContext) -> None:
        path = f"/api/quarantine/{quote(identity, safe='')}"
        _checked(self._ask("DELETE", path, params=_why(asked)))

    def drop_many(self, chosen: QuarantineFilter, asked: AuditContext, expected: int | None = None) -> int:
        said = {"filter": _said(chosen), "expected": expected, **_why(asked)}
        return self._numbers("/api/quarantine/drop", said)["dropped"]

    def resync(self, wanted: MissedFilter, asked: AuditContext, *, dry_run: bool = False) -> ResyncResult:
        said = {"shop": wanted.shop, "domain": wanted.domain, "dry_run": dry_run, **_why(asked)}
        return ResyncResult(**self._numbers("/api/missed/resync", said))

    def retry(self, shop: str, order_id: str, asked: AuditContext) -> bool:
        path = f"/api/orders/{quote(shop, safe='')}/{quote(order_id, safe='')}/retry"
        try:
            self._post(path, _why(asked))
        except Conflict:
            return False
        return True

    def count_retryable(self, which: OrderFilter) -> int:
        return self._numbers("/api/orders/retry", {"filter": _orders(which), "dry_run": True})["chosen"]

    def retry_many(self, which: OrderFilter, asked: AuditContext, expected: int | None = None) -> int:
        said = {"filter": _orders(which), "expected": expected, **_why(asked)}
        return self._numbers("/api/orders/retry", said)["retried"]

    def _numbers(self, path: str, said: dict[str, Any]) -> dict[str, int]:
        return _read(_NUMBERS, self._post(path, said))

    def _post(self, path: str, said: dict[str, Any]) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return _checked(self._ask("POST", path, content=orjson.dumps(said), headers=headers, timeout=_PATIENCE))


def _said(chosen: QuarantineFilter) -> dict[str, Any]:
    return {name: value for name, value in asdict(chosen).items() if value is not None}


def _orders(which: OrderFilter) -> dict[str, Any]:
    return {"state": which.state, "shop": which.shop}


def _why(asked: AuditContext) -> dict[str, str]:
    return {} if asked.reason is None else {"reason": asked.reason}


def _checked(answer: httpx.Response) -> httpx.Response:
    refusal = _REFUSALS.get(answer.status_code)
    if refusal is not None:
        raise refusal(_detail(answer))
    if answer.is_error:
        raise NoReply(f"{answer.url} answered {answer.status_code}: {_detail(answer)}")
    return answer


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _read(wanted: TypeAdapter[Document], answer: httpx.Response) -> Document:
    try:
        return wanted.validate_json(answer.content)
    except ValidationError:
        raise NoReply(f"{answer.url} answered with something else: is it Comporta, and of this version?") from None
