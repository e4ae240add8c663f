"""Resync of a window: the ERP is asked for everything that it has changed between two times.

For what never reached the broker: no key of it is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from uuid_utils import uuid7

from control.resync import check_confirmed
from producers.messages import OutgoingMessage, Publish
from rules.actions import AuditContext, Conflict
from rules.shops import DEFAULT_SHOP, unknown_shop
from rules.switches import Scope
from schemas.domains import DOMAINS
from schemas.resync import request_id, window_event
from schemas.topology import RESYNC
from storage.audit import AuditEntry, AuditLog
from storage.fence import Fence
from storage.shop_rows import ShopStore
from storage.switches import read_switches

__all__ = ["ResyncWindow", "ResyncWindows"]

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class ResyncWindow:
    """A window of time, its end excluded, of one shop or all known ones, and one domain or all."""

    since: datetime
    until: datetime
    shop: str | None = None
    domain: str | None = None

    def __str__(self) -> str:
        return f"from {self.since.isoformat()} to {self.until.isoformat()}"


class ResyncWindows:
    """The requests of windows, each audited."""

    def __init__(self, fence: Fence, publish: Publish) -> None:
        self._fence = fence
        self._publish = publish
        self._audit = AuditLog(fence)
        self._shops = ShopStore(fence)

    def request(self, window: ResyncWindow, context: AuditContext, *, dry_run: bool = False) -> int:
        """Request a window of each shop and domain, and return the number of messages.

        Raises `Conflict` while any of them is off: the ERP's answers would be discarded. Raises `NotConfirmed` at the
        first message that is not confirmed.
        """
        scopes = self._scopes(window)
        if dry_run:
            return len(scopes)
        self._check_on(scopes)
        requested = 0
        with self._audit.open(AuditEntry("resync", context, window.shop, window.domain, str(window))) as entry:
            for shop, domain in scopes:
                # A pause that comes in between stops the asking.
                self._check_on([(shop, domain)])
                check_confirmed(self._publish([_message(window, shop, domain)]), requested, "windows")
                requested += 1
                self._audit.add(entry.id, 1)
        return requested

    def _scopes(self, window: ResyncWindow) -> list[Scope]:
        known = sorted(self._shops.known()) or [DEFAULT_SHOP]
        if window.shop is not None and window.shop not in known:
            raise Conflict(unknown_shop(window.shop, frozenset(known)))
        shops = known if window.shop is None else [window.shop]
        return [(shop, domain) for shop in shops for domain in (DOMAINS if window.domain is None else [window.domain])]

    def _check_on(self, scopes: list[Scope]) -> None:
        with self._fence.snapshot() as connection:
            state = read_switches(connection)
        off = [f"{shop}/{domain}" for shop, domain in scopes if state.stops(shop, domain)]
        if off:
            names = ", ".join(off[:_MOST_NAMED]) + (f" and {len(off) - _MOST_NAMED} more" if off[_MOST_NAMED:] else "")
            raise Conflict(f"{names} is off: the ERP's answers would be discarded; resume that first")


def _message(window: ResyncWindow, shop: str, domain: str) -> OutgoingMessage:
    identity = request_id(str(uuid7()), shop, domain, ())
    body = window_event(identity, shop, domain, (window.since, window.until), datetime.now(UTC))
    return OutgoingMessage(RESYNC, f"{shop}.{domain}", body, identity)
