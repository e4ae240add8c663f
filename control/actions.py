"""Operator actions besides switching: replay, drop, resync, retry, forget versions, decide on full loads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import NamedTuple

from control.discards import check_discards, count_discards
from control.person import PersonActions
from control.replay import ReplayResult, replay
from control.resync import request_resync
from control.resync_windows import ResyncWindows
from control.shops import ShopActions
from producers.messages import Publish
from rules.actions import (
    RESYNC_AFTER,
    AuditContext,
    Conflict,
    CountChanged,
    NotConfirmed,
    NotFound,
    check_expected,
    grew_much,
)
from rules.shops import OPEN, ShopRules
from schemas.domains import ORDERS
from schemas.resync import MOST_KEYS
from storage.audit import AuditEntry, AuditLog
from storage.database import Database
from storage.load_decisions import LoadDecisions
from storage.missed import MissedKeys, Piece
from storage.missed_requests import MissedRequests
from storage.order_acceptance import AcceptedOrder, OrderAcceptance
from storage.order_changes import Change, OrderChanges
from storage.order_retry import OrderRetries
from storage.order_rows import OrderKey
from storage.quarantine import QuarantineStore
from storage.versions import VersionScope, VersionStore
from storage.views import MissedFilter, OrderFilter, QuarantineFilter

__all__ = ["ForgetResult", "OperatorActions", "ResyncResult"]

_UNCHANGED: dict[Change, str] = {
    "hold": "the order is being sent, is held already, or is internalized or cancelled; `orders show` shows its state",
    "release": "the order is not held; `orders show` shows its state",
    "cancel": "the order is cancelled already, or its cancellation is on the way to the ERP",
}
# No shop has an empty name.
_BEFORE_ALL: OrderKey | None = ("", "")


class ResyncResult(NamedTuple):
    """The number of missed keys, of the messages that hold them, and of the keys requested from the ERP."""

    keys: int
    messages: int
    requested: int


class ForgetResult(NamedTuple):
    """The number of rows with a version, that of missed keys with one, and the keys whose version was forgotten."""

    keys: int
    missed: int
    forgotten: int


class OperatorActions:
    """The operators' actions, each audited with operator, reason and count.

    An action that can't be done raises an `ActionError`. `seconds` bounds a replay of many messages: an HTTP client
    gets the number that is left and repeats its request. `shops` and `people` are the actions on shops and persons.
    """

    def __init__(
        self,
        database: Database,
        publish: Publish,
        seconds: float | None = None,
        shop_rules: ShopRules = OPEN,
        resync_after: timedelta = RESYNC_AFTER,
    ) -> None:
        self.shops = ShopActions(database.fence, shop_rules)
        self.people = PersonActions(database.fence)
        self.windows = ResyncWindows(database.fence, publish)
        self._fence = database.fence
        self._publish = publish
        self._seconds = seconds
        self._audit = AuditLog(database.fence)
        self._missed = MissedKeys(database.fence)
        self._requests = MissedRequests(database.fence, resync_after)
        self._quarantine = QuarantineStore(database.fence)
        self._versions = VersionStore(database.fence)
        self._loads = LoadDecisions(database.fence)
        self._retries = OrderRetries(database.fence, database.receipt_timeout)
        self._changes = OrderChanges(database.fence, database.receipt_timeout)
        self._acceptance = OrderAcceptance(database.fence)

    def count_quarantined(self, filter: QuarantineFilter) -> int:
        """Return the number of messages that a replay or a drop would affect."""
        return self._quarantine.select(filter).number

    def replay(self, identity: str, context: AuditContext, *, discard: bool = True) -> None:
        """Publish one message again; raises `NotFound`, `Conflict` or `NotConfirmed` if it stays in the quarantine.

        Without `discard` it raises `WouldBeDiscarded` while the message's shop and domain are off.
        """
        scope = self._quarantine.scope_of(identity)
        if scope is None:
            raise NotFound(_not_found(identity))
        if not discard:
            check_discards(self._fence, "messages", {scope: 1})
        result = self._replay(AuditEntry("replay", context, *scope, identity), QuarantineFilter(ids=(identity,)))
        if result.refused:
            raise Conflict(f"{identity} can't be replayed: {result.refused[0].why}")
        if result.error is not None:
            raise NotConfirmed(result.error)
        if not result.replayed:
            raise Conflict(f"another replay of {identity} is running; try again in half a minute")

    def replay_many(
        self, filter: QuarantineFilter, context: AuditContext, expected: int | None = None, *, discard: bool = True
    ) -> ReplayResult:
        """Publish the selected messages again; raises `CountChanged` if there are not as many as expected.

        Without `discard` it raises `WouldBeDiscarded` while any of their shops and domains is off.
        """
        if not discard:
            check_discards(self._fence, "messages", self._quarantine.scopes(filter))
        return self._replay(_entry("replay", context, filter), filter, expected)

    def replays_discarded(self, filter: QuarantineFilter) -> int:
        """Return the number of the selected messages that would be discarded now."""
        return sum(count_discards(self._fence, self._quarantine.scopes(filter)).values())

    def drop(self, identity: str, context: AuditContext) -> None:
        """Delete one message; raises `NotFound`."""
        if not self._quarantine.drop(AuditEntry("drop", context, subject=identity), identity):
            raise NotFound(_not_found(identity))

    def drop_many(self, filter: QuarantineFilter, context: AuditContext, expected: int | None = None) -> int:
        """Delete the selected messages and return their number; raises `CountChanged`."""
        selection = self._quarantine.select(filter)
        check_expected("messages", expected, selection.number)
        dropped = 0
        with self._audit.open(_entry("drop", context, filter)) as entry:
            while count := self._quarantine.drop_batch(entry.id, filter, selection.through):
                dropped += count
        return dropped

    def count_missed(self, filter: MissedFilter, *, again: bool = False) -> int:
        """Return the number of keys that a resync would request."""
        return sum(self._missed.scopes(self._requests.due(filter, again=again)).values())

    def count_asked(self, filter: MissedFilter) -> int:
        """Return the number of keys that a resync leaves out, since the ERP was asked for them a moment ago."""
        return self.count_missed(filter, again=True) - self.count_missed(filter)

    def resync_discarded(self, filter: MissedFilter) -> int:
        """Return the number of missed keys whose events would be discarded now, if the ERP sent them."""
        return sum(count_discards(self._fence, self._missed.scopes(filter)).values())

    def resync(
        self,
        filter: MissedFilter,
        context: AuditContext,
        *,
        dry_run: bool = False,
        expected: int | None = None,
        request: str | None = None,
        discard: bool = True,
        again: bool = False,
    ) -> ResyncResult:
        """Request the missed keys from the ERP, and wait until the broker has confirmed every message.

        Keys that it was asked for a moment ago are left out, unless `again` is set: its answer may be on the way. The
        same `request` gives messages of the same id for the same keys. Raises `CountChanged` if far more keys are
        missed than expected, since the number that the operator saw no longer holds, and `NotConfirmed` if the broker
        does not take a message. Without `discard` it raises `WouldBeDiscarded` while any of their domains is off.
        """
        filter = self._requests.due(filter, again=again)
        scopes = self._missed.scopes(filter)
        keys = sum(scopes.values())
        messages = sum(ceil(count / MOST_KEYS) for count in scopes.values())
        if expected is not None and grew_much(expected, keys):
            raise CountChanged("missed keys", expected, keys)
        if dry_run or not keys:
            return ResyncResult(keys, messages, 0)
        if not discard:
            check_discards(self._fence, "keys", scopes)
        with self._audit.open(AuditEntry("resync", context, filter.shop, filter.domain)) as entry:
            pieces = self._missed.pieces(filter, scopes, MOST_KEYS)

            def remember(confirmed: Sequence[Piece]) -> None:
                self._requests.remember(confirmed, context.user_id or context.by)
                self._audit.add(entry.id, sum(len(piece.keys) for piece in confirmed))

            requested = request_resync(self._publish, pieces, request or entry.id, remember)
        return ResyncResult(keys, messages, requested)

    def forget_versions(
        self, scope: VersionScope, context: AuditContext, *, dry_run: bool = False, expected: int | None = None
    ) -> ForgetResult:
        """Let the next event of each key win, whatever its version; of a whole domain, decide the kind of version anew.

        Raises `CountChanged` if far more keys have a version than expected.
        """
        count = self._versions.count(scope)
        if expected is not None and grew_much(expected, count.keys + count.missed):
            raise CountChanged("keys", expected, count.keys + count.missed)
        if dry_run:
            return ForgetResult(*count, 0)
        with self._audit.open(AuditEntry("versions-forget", context, scope.shop, scope.domain, str(scope))) as entry:
            forgotten = sum(self._versions.forget(scope, entry.id))
            if scope.keys is None:
                self._versions.decide_anew(scope.shop, scope.domain)
        return ForgetResult(*count, forgotten)

    def confirm_load(self, shop: str, domain: str, load_id: str, expected: int, context: AuditContext) -> int:
        """Let a held load delete what it has counted, and return the number of keys.

        Raises `NotFound`, `Conflict` if it is not held or its scope is off, and `CountChanged`.
        """
        entry = AuditEntry("load-confirm", context, shop, domain, load_id)
        return self._loads.confirm(entry, (shop, domain), load_id, expected)

    def cancel_load(self, shop: str, domain: str, load_id: str, context: AuditContext) -> None:
        """End a load, which then deletes nothing more; raises `NotFound`, or `Conflict` if it has ended."""
        self._loads.cancel(AuditEntry("load-cancel", context, shop, domain, load_id), (shop, domain), load_id)

    def retry(self, shop: str, order_id: str, context: AuditContext) -> bool:
        """Queue an order again; return whether one exists that is neither internalized nor being sent."""
        return self._retries.retry(AuditEntry("retry", context), shop, order_id)

    def count_retryable(self, filter: OrderFilter) -> int:
        """Return the number of orders that a retry of many would affect."""
        return self._retries.count(filter)

    def retry_many(self, filter: OrderFilter, context: AuditContext, expected: int | None = None) -> int:
        """Queue the selected orders again and return their number; raises `CountChanged`."""
        check_expected("orders", expected, self._retries.count(filter))
        retried, after = 0, _BEFORE_ALL
        with self._audit.open(AuditEntry("retry", context, filter.shop, ORDERS, str(filter))) as entry:
            while after is not None:
                count, after = self._retries.retry_batch(entry.id, filter, after)
                retried += count
        return retried

    def change_order(self, change: Change, shop: str, order_id: str, context: AuditContext) -> None:
        """Hold, release or cancel one order; raises `NotFound`, or `Conflict` if its state does not allow it."""
        changed = self._changes.change(change, AuditEntry(change, context), shop, order_id)
        if changed is None:
            raise NotFound(f"the shop {shop} has placed no order with the id {order_id}")
        if not changed:
            raise Conflict(_UNCHANGED[change])

    def count_changeable(self, change: Change, filter: OrderFilter) -> int:
        """Return the number of orders that a hold, a release or a cancellation of many would affect."""
        return self._changes.count(change, filter)

    def change_orders(
        self, change: Change, filter: OrderFilter, context: AuditContext, expected: int | None = None
    ) -> int:
        """Hold, release or cancel the selected orders and return their number; raises `CountChanged`."""
        check_expected("orders", expected, self._changes.count(change, filter))
        changed, after = 0, _BEFORE_ALL
        with self._audit.open(AuditEntry(change, context, filter.shop, ORDERS, str(filter))) as entry:
            while after is not None:
                count, after = self._changes.change_batch(change, entry.id, context.reason, filter, after)
                changed += count
        return changed

    def accept(self, identity: str, context: AuditContext) -> AcceptedOrder:
        """Accept a quarantined order as it is; raises `NotFound` or `Conflict`."""
        accepted = self._acceptance.accept(AuditEntry("accept", context), identity)
        if accepted is None:
            raise NotFound(_not_found(identity))
        return accepted

    def _replay(self, entry: AuditEntry, filter: QuarantineFilter, expected: int | None = None) -> ReplayResult:
        selection = self._quarantine.select(filter)
        check_expected("messages", expected, selection.number)
        with self._audit.open(entry) as opened:
            result = replay(self._publish, self._quarantine, opened.id, filter, selection, self._seconds)
            opened.error = result.error or _first_refusal(result)
        return result


def _entry(action: str, context: AuditContext, filter: QuarantineFilter) -> AuditEntry:
    return AuditEntry(action, context, filter.shop, filter.domain, str(filter))


def _first_refusal(result: ReplayResult) -> str | None:
    return f"{result.staying} can't be replayed: {result.refused[0].why}" if result.refused else None


def _not_found(identity: str) -> str:
    return f"no message with the id {identity} is in the quarantine (any more)"
