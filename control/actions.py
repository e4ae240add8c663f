"""What an operator may do beside switching, for the API, the page and the command line alike."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from control.replay import ReplayResult, replay
from control.resync import ask_again
from producers.messages import Publish
from rules.actions import AuditContext, Conflict, CountChanged, NotConfirmed, NotFound, check_expected, grew_much
from schemas.domains import ORDERS
from schemas.resync import MOST_KEYS
from storage.audit import AuditEntry, AuditLog
from storage.database import Database
from storage.missed import MissedKeys
from storage.order_retry import OrderRetries
from storage.order_store import OrderKey
from storage.quarantine import QuarantineStore
from storage.views import MissedFilter, OrderFilter, QuarantineFilter

__all__ = ["OperatorActions", "ResyncResult"]

# No shop has an empty name.
_BEFORE_ALL: OrderKey | None = ("", "")


class ResyncResult(NamedTuple):
    """How many keys are missed, in how many messages they fit, and how many the ERP was asked for."""

    keys: int
    messages: int
    requested: int


class OperatorActions:
    """Every act is audited with who, why and how many; one that can't be done raises `ActError`.

    `seconds` bounds a replay of many: who asks over HTTP is told what is left, and asks again.
    """

    def __init__(self, database: Database, publish: Publish, seconds: float | None = None) -> None:
        self._publish = publish
        self._seconds = seconds
        self._acts = AuditLog(database.fence)
        self._missed = MissedKeys(database.fence)
        self._releasing = QuarantineStore(database.fence)
        self._retrying = OrderRetries(database.fence, database.receipt_timeout)

    def count_quarantined(self, chosen: QuarantineFilter) -> int:
        """How many messages a replay or a drop would be about."""
        return self._releasing.span(chosen).number

    def replay(self, identity: str, asked: AuditContext) -> None:
        """Publishes one message again; raises `NotFound`, `Conflict` or `NotConfirmed` if it stays."""
        scope = self._releasing.scope_of(identity)
        if scope is None:
            raise NotFound(_not_there(identity))
        done = self._replay(AuditEntry("replay", asked, *scope, identity), QuarantineFilter(ids=(identity,)))
        if done.refused:
            raise Conflict(f"{identity} can't be replayed: {done.refused[0].why}")
        if done.error is not None:
            raise NotConfirmed(done.error)
        if not done.replayed:
            raise Conflict(f"{identity} is being replayed by somebody else; in half a minute it may be tried again")

    def replay_many(self, chosen: QuarantineFilter, asked: AuditContext, expected: int | None = None) -> ReplayResult:
        """Publishes the chosen messages again; raises `CountChanged` if there are not as many as expected."""
        return self._replay(_act("replay", asked, chosen), chosen, expected)

    def drop(self, identity: str, asked: AuditContext) -> None:
        """Removes one message for good; raises `NotFound`."""
        if not self._releasing.drop(AuditEntry("drop", asked, subject=identity), identity):
            raise NotFound(_not_there(identity))

    def drop_many(self, chosen: QuarantineFilter, asked: AuditContext, expected: int | None = None) -> int:
        """Removes the chosen messages for good, and says how many; raises `CountChanged`."""
        span = self._releasing.span(chosen)
        check_expected("messages", expected, span.number)
        dropped = 0
        with self._acts.noted(_act("drop", asked, chosen)) as noted:
            while some := self._releasing.drop_some(noted.id, chosen, span.through):
                dropped += some
        return dropped

    def count_missed(self, wanted: MissedFilter) -> int:
        """How many keys a resync would ask for."""
        return sum(self._missed.scopes(wanted).values())

    def resync(
        self,
        wanted: MissedFilter,
        asked: AuditContext,
        *,
        dry_run: bool = False,
        expected: int | None = None,
        request: str | None = None,
    ) -> ResyncResult:
        """Asks the ERP for the missed keys, and waits until the broker has every message; raises `NotConfirmed`.

        The same `request` gives messages of the same id for the same keys. Raises `CountChanged` if far more keys are
        missed than expected: then what was shown before is no longer what would be asked for.
        """
        scopes = self._missed.scopes(wanted)
        keys = sum(scopes.values())
        messages = sum(ceil(count / MOST_KEYS) for count in scopes.values())
        if expected is not None and grew_much(expected, keys):
            raise CountChanged("missed keys", expected, keys)
        if dry_run or not keys:
            return ResyncResult(keys, messages, 0)
        with self._acts.noted(AuditEntry("resync", asked, wanted.shop, wanted.domain)) as noted:
            pieces = self._missed.pieces(wanted, scopes, MOST_KEYS)
            requested = ask_again(
                self._publish, pieces, request or noted.id, lambda more: self._acts.add(noted.id, more)
            )
        return ResyncResult(keys, messages, requested)

    def retry(self, shop: str, order_id: str, asked: AuditContext) -> bool:
        """Lets an order be sent again that is neither internalized nor being sent; whether there was such a one."""
        return self._retrying.retry(AuditEntry("retry", asked), shop, order_id)

    def count_retryable(self, which: OrderFilter) -> int:
        """How many orders a retry of many would be about."""
        return self._retrying.count(which)

    def retry_many(self, which: OrderFilter, asked: AuditContext, expected: int | None = None) -> int:
        """Lets many orders be sent again, and says how many; raises `CountChanged`."""
        check_expected("orders", expected, self._retrying.count(which))
        retried, after = 0, _BEFORE_ALL
        with self._acts.noted(AuditEntry("retry", asked, which.shop, ORDERS, str(which))) as noted:
            while after is not None:
                some, after = self._retrying.retry_some(noted.id, which, after)
                retried += some
        return retried

    def _replay(self, act: AuditEntry, chosen: QuarantineFilter, expected: int | None = None) -> ReplayResult:
        span = self._releasing.span(chosen)
        check_expected("messages", expected, span.number)
        with self._acts.noted(act) as noted:
            done = replay(self._publish, self._releasing, noted.id, chosen, span, self._seconds)
            noted.error = done.error or _first_refusal(done)
        return done


def _act(action: str, asked: AuditContext, chosen: QuarantineFilter) -> AuditEntry:
    return AuditEntry(action, asked, chosen.shop, chosen.domain, str(chosen))


def _first_refusal(done: ReplayResult) -> str | None:
    return f"{done.staying} can't be replayed: {done.refused[0].why}" if done.refused else None


def _not_there(identity: str) -> str:
    return f"nothing with the id {identity} is in the quarantine (any more)"
