"""Operator actions of the command line: their protocol, and their client over HTTP for the embedded broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote

import orjson
from pydantic import TypeAdapter, ValidationError

from comporta.cli.client_parts import HttpPeople, HttpWindows, People, Windows, change_fields
from control.actions import ForgetResult, ResyncResult
from control.replay import ReplayResult
from control.shops import KnownShop, ShopRemoval
from producers.errors import NoReply
from rules.actions import AuditContext, Conflict, DiscardRefused, NotConfirmed, NotFound, WouldBeDiscarded
from schemas.domains import DOMAINS
from storage.order_acceptance import AcceptedOrder

if TYPE_CHECKING:
    import httpx

    from storage.order_changes import Change
    from storage.versions import VersionScope
    from storage.views import MissedFilter, OrderFilter, QuarantineFilter

__all__ = ["Actions", "HttpActions", "check_response"]

Document = TypeVar("Document")
_REPLAYED, _COUNTS = TypeAdapter(ReplayResult), TypeAdapter(dict[str, int])
_ACCEPTED = TypeAdapter(AcceptedOrder)
_SHOPS, _REMOVAL = TypeAdapter(list[KnownShop]), TypeAdapter(ShopRemoval)
_CREATED = 201
_REFUSALS = {kind.status: kind for kind in (NotFound, Conflict, NotConfirmed)}
# An action on many items may take long.
_TIMEOUT_SECONDS = 3600.0


class Shops(Protocol):
    """Actions on known shops; each raises `ActionError` as `ShopActions` does."""

    def known(self) -> list[KnownShop]:
        """Return the known shops."""

    def add(self, shop: str, context: AuditContext, /) -> bool:
        """Make a shop known; return whether it was not known before."""

    def remove(self, shop: str, context: AuditContext, /, *, dry_run: bool = False, force: bool = False) -> ShopRemoval:
        """Erase a shop; with `dry_run` only count its rows."""


class Actions(Protocol):
    """Actions of an operator beside pause and resume; each raises `ActionError` as `OperatorActions` does."""

    @property
    def shops(self) -> Shops:
        """Return the actions on known shops."""

    @property
    def people(self) -> People:
        """Return the actions on persons."""

    @property
    def windows(self) -> Windows:
        """Return the requests of windows of time."""

    def count_quarantined(self, filters: QuarantineFilter, /) -> int:
        """Return the number of messages that pass the filter."""

    def replay(self, identity: str, context: AuditContext, /, *, discard: bool = True) -> None:
        """Publish one message again; without `discard` not if it would be discarded."""

    def replay_many(
        self, filters: QuarantineFilter, context: AuditContext, expected: int | None = None, /, *, discard: bool = True
    ) -> ReplayResult:
        """Publish the messages that pass the filter again."""

    def drop(self, identity: str, context: AuditContext, /) -> None:
        """Remove one message for good."""

    def drop_many(self, filters: QuarantineFilter, context: AuditContext, expected: int | None = None, /) -> int:
        """Remove the messages that pass the filter for good; return their number."""

    def resync(
        self,
        filters: MissedFilter,
        context: AuditContext,
        /,
        *,
        dry_run: bool = False,
        discard: bool = True,
        again: bool = False,
    ) -> ResyncResult:
        """Request missed keys from the ERP, also those of a moment ago with `again`; with `dry_run` only count them."""

    def count_asked(self, filters: MissedFilter, /) -> int:
        """Return the number of missed keys that the ERP was asked for a moment ago."""

    def forget_versions(self, scope: VersionScope, context: AuditContext, /, *, dry_run: bool = False) -> ForgetResult:
        """Let the next event of each key win; with `dry_run` only count the keys."""

    def confirm_load(self, shop: str, domain: str, load_id: str, expected: int, context: AuditContext, /) -> int:
        """Let a held load delete what it has counted; return the number of keys."""

    def cancel_load(self, shop: str, domain: str, load_id: str, context: AuditContext, /) -> None:
        """End a load, which then deletes nothing more."""

    def retry(self, shop: str, order_id: str, context: AuditContext, /) -> bool:
        """Let an order be sent again; return False if it can't be."""

    def count_retryable(self, filters: OrderFilter, /) -> int:
        """Return the number of orders that pass the filter."""

    def retry_many(self, filters: OrderFilter, context: AuditContext, expected: int | None = None, /) -> int:
        """Let the orders that pass the filter be sent again; return their number."""

    def change_order(self, change: Change, shop: str, order_id: str, context: AuditContext, /) -> None:
        """Hold, release or cancel one order."""

    def count_changeable(self, change: Change, filters: OrderFilter, /) -> int:
        """Return the number of orders that pass the filter and can be changed."""

    def change_orders(
        self, change: Change, filters: OrderFilter, context: AuditContext, expected: int | None = None, /
    ) -> int:
        """Hold, release or cancel the orders that pass the filter; return their number."""

    def accept(self, identity: str, context: AuditContext, /) -> AcceptedOrder:
        """Accept a quarantined order as it is."""


class HttpShops:
    """Actions on known shops over HTTP."""

    def __init__(self, request: Callable[..., httpx.Response]) -> None:
        self._request = request

    def known(self) -> list[KnownShop]:
        return _read(_SHOPS, check_response(self._request("GET", "/api/shops")))

    def add(self, shop: str, context: AuditContext) -> bool:
        content, headers = orjson.dumps({"shop": shop, **_reason(context)}), {"content-type": "application/json"}
        return (
            check_response(self._request("POST", "/api/shops", content=content, headers=headers)).status_code
            == _CREATED
        )

    def remove(self, shop: str, context: AuditContext, *, dry_run: bool = False, force: bool = False) -> ShopRemoval:
        params = {"dry_run": dry_run, "force": force, **_reason(context)}
        path = f"/api/shops/{quote(shop, safe='')}"
        return _read(_REMOVAL, check_response(self._request("DELETE", path, params=params, timeout=_TIMEOUT_SECONDS)))


class HttpActions:
    """Actions over HTTP, on behalf of the token's operator; `request` sends one request to the running process."""

    def __init__(self, request: Callable[..., httpx.Response]) -> None:
        self._request = request
        self.shops = HttpShops(request)
        self.people = HttpPeople(self._post)
        self.windows = HttpWindows(self._post)

    def count_quarantined(self, filters: QuarantineFilter) -> int:
        return self._post_counts("/api/quarantine/drop", {"filter": _fields(filters), "dry_run": True})["chosen"]

    def replay(self, identity: str, context: AuditContext, *, discard: bool = True) -> None:
        self._post(f"/api/quarantine/{quote(identity, safe='')}/replay", {"discard": discard, **_reason(context)})

    def replay_many(
        self, filters: QuarantineFilter, context: AuditContext, expected: int | None = None, *, discard: bool = True
    ) -> ReplayResult:
        payload = {"filter": _fields(filters), "expected": expected, "discard": discard, **_reason(context)}
        return _read(_REPLAYED, self._post("/api/quarantine/replay", payload))

    def drop(self, identity: str, context: AuditContext) -> None:
        path = f"/api/quarantine/{quote(identity, safe='')}"
        check_response(self._request("DELETE", path, params=_reason(context)))

    def drop_many(self, filters: QuarantineFilter, context: AuditContext, expected: int | None = None) -> int:
        payload = {"filter": _fields(filters), "expected": expected, **_reason(context)}
        return self._post_counts("/api/quarantine/drop", payload)["dropped"]

    def resync(
        self,
        filters: MissedFilter,
        context: AuditContext,
        *,
        dry_run: bool = False,
        discard: bool = True,
        again: bool = False,
    ) -> ResyncResult:
        flags = {"dry_run": dry_run, "discard": discard, "again": again}
        counts = self._resync(filters, {**flags, **_reason(context)})
        return ResyncResult(counts["keys"], counts["messages"], counts["requested"])

    def count_asked(self, filters: MissedFilter) -> int:
        return self._resync(filters, {"dry_run": True})["asked_recently"]

    def _resync(self, filters: MissedFilter, payload: dict[str, Any]) -> dict[str, int]:
        return self._post_counts("/api/missed/resync", {"shop": filters.shop, "domain": filters.domain, **payload})

    def forget_versions(self, scope: VersionScope, context: AuditContext, *, dry_run: bool = False) -> ForgetResult:
        payload = {"shop": scope.shop, "domain": scope.domain, "dry_run": dry_run, **_reason(context)}
        if scope.keys is not None:
            payload["keys"] = [dict(zip(DOMAINS[scope.domain].key_fields, key, strict=True)) for key in scope.keys]
        return ForgetResult(**self._post_counts("/api/versions/forget", payload))

    def confirm_load(self, shop: str, domain: str, load_id: str, expected: int, context: AuditContext) -> int:
        payload = {"expected": expected, **_reason(context)}
        return self._post_counts(f"{_load_path(shop, domain, load_id)}/confirm", payload)["confirmed"]

    def cancel_load(self, shop: str, domain: str, load_id: str, context: AuditContext) -> None:
        self._post(f"{_load_path(shop, domain, load_id)}/cancel", _reason(context))

    def retry(self, shop: str, order_id: str, context: AuditContext) -> bool:
        path = f"/api/orders/{quote(shop, safe='')}/{quote(order_id, safe='')}/retry"
        try:
            self._post(path, _reason(context))
        except Conflict:
            return False
        return True

    def count_retryable(self, filters: OrderFilter) -> int:
        return self._post_counts("/api/orders/retry", {"filter": _order_fields(filters), "dry_run": True})["chosen"]

    def retry_many(self, filters: OrderFilter, context: AuditContext, expected: int | None = None) -> int:
        payload = {"filter": _order_fields(filters), "expected": expected, **_reason(context)}
        return self._post_counts("/api/orders/retry", payload)["retried"]

    def change_order(self, change: Change, shop: str, order_id: str, context: AuditContext) -> None:
        self._post(f"/api/orders/{quote(shop, safe='')}/{quote(order_id, safe='')}/{change}", _reason(context))

    def count_changeable(self, change: Change, filters: OrderFilter) -> int:
        payload = {"filter": change_fields(filters), "dry_run": True}
        return self._post_counts(f"/api/orders/{change}", payload)["chosen"]

    def change_orders(
        self, change: Change, filters: OrderFilter, context: AuditContext, expected: int | None = None
    ) -> int:
        payload = {"filter": change_fields(filters), "expected": expected, **_reason(context)}
        return self._post_counts(f"/api/orders/{change}", payload)["changed"]

    def accept(self, identity: str, context: AuditContext) -> AcceptedOrder:
        path = f"/api/quarantine/{quote(identity, safe='')}/accept"
        return _read(_ACCEPTED, self._post(path, _reason(context)))

    def _post_counts(self, path: str, payload: dict[str, Any]) -> dict[str, int]:
        return _read(_COUNTS, self._post(path, payload))

    def _post(self, path: str, payload: dict[str, Any]) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return check_response(
            self._request("POST", path, content=orjson.dumps(payload), headers=headers, timeout=_TIMEOUT_SECONDS)
        )


def _fields(filters: QuarantineFilter) -> dict[str, Any]:
    return {name: value for name, value in asdict(filters).items() if value is not None}


def _order_fields(filters: OrderFilter) -> dict[str, Any]:
    return {"state": filters.state, "shop": filters.shop}


def _load_path(shop: str, domain: str, load_id: str) -> str:
    return f"/api/loads/{quote(shop, safe='')}/{quote(domain, safe='')}/{quote(load_id, safe='')}"


def _reason(context: AuditContext) -> dict[str, str]:
    return {} if context.reason is None else {"reason": context.reason}


def check_response(response: httpx.Response) -> httpx.Response:
    """Return a response; raises what its status means, with its text."""
    if response.status_code == WouldBeDiscarded.status:
        raise DiscardRefused(_detail(response))
    refusal = _REFUSALS.get(response.status_code)
    if refusal is not None:
        raise refusal(_detail(response))
    if response.is_error:
        raise NoReply(f"{response.url} answered {response.status_code}: {_detail(response)}")
    return response


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]


def _read(adapter: TypeAdapter[Document], response: httpx.Response) -> Document:
    try:
        return adapter.validate_json(response.content)
    except ValidationError:
        raise NoReply(f"{response.url} sent an unexpected response: is it Comporta, and the same version?") from None
