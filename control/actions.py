"""What an operator may do beside switching, for the API, the page and the command line alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

from control.replay import Replayed, replay
from control.resync import ask_again
from producers.messages import Outgoing, Result
from rules.actions import Asked, Changed, Conflict, NotConfirmed, NotThere, check_expected, grew_much
from schemas.domains import ORDERS
from schemas.resync import MOST_KEYS
from storage.audit import Act, Acts
from storage.database import Database
from storage.missed import MissedKeys, Wanted
from storage.order_retry import OrderKey, Retryable, Retrying
from storage.quarantine import Chosen, Releasing

__all__ = ["Acting", "Resynced"]

# No shop has an empty name.
_BEFORE_ALL: OrderKey | None = ("", "")

Publish = Callable[[Sequence[Outgoing]], list[Result]]


class Resynced(NamedTuple):
    """How many keys are missed, in how many messages they fit, and how many the ERP was asked for."""

    keys: int
    messages: int
    requested: int


class Acting:
    """Every act is audited with who, why and how many; one that can't be done raises `ActError`.

    `seconds` bounds a replay of many: who asks over HTTP is told what is left, and asks again.
    """

    def __init__(self, database: Database, publish: Publish, seconds: float | None = None) -> None:
        self._publish = publish
        self._seconds = seconds
        self._acts = Acts(database.fence)
        self._missed = MissedKeys(database.fence)
        self._releasing = Releasing(database.fence)
        self._retrying = Retrying(database.fence)

    def count_quarantined(self, chosen: Chosen) -> int:
        """How many messages a replay or a drop would be about."""
        return self._releasing.span(chosen).number

    def replay(self, identity: str, asked: Asked) -> None:
        """Publishes one message again; raises `NotThere`, `Conflict` or `NotConfirmed` if it stays."""
        scope = self._releasing.scope_of(identity)
        if scope is None:
            raise NotThere(_not_there(identity))
        done = self._replay(Act("replay", asked, *scope, identity), Chosen(ids=(identity,)))
        if done.refused:
            raise Conflict(f"{identity} can't be replayed: {done.refused[0].why}")
        if done.error is not None:
            raise NotConfirmed(done.error)
        if not done.replayed:
            raise Conflict(f"{identity} is being replayed by somebody else; in half a minute it may be tried again")

    def replay_many(self, chosen: Chosen, asked: Asked, expected: int | None = None) -> Replayed:
        """Publishes the chosen messages again; raises `Changed` if there are not as many as expected."""
        return self._replay(_act("replay", asked, chosen), chosen, expected)

    def drop(self, identity: str, asked: Asked) -> None:
        """Removes one message for good; raises `NotThere`."""
        if not self._releasing.drop(Act("drop", asked, subject=identity), identity):
            raise NotThere(_not_there(identity))

    def drop_many(self, chosen: Chosen, asked: Asked, expected: int | None = None) -> int:
        """Removes the chosen messages for good, and says how many; raises `Changed`."""
        span = self._releasing.span(chosen)
        check_expected("messages", expected, span.number)
        dropped = 0
        with self._acts.noted(_act("drop", asked, chosen)) as noted:
            while some := self._releasing.drop_some(noted.id, chosen, span.through):
                dropped += some
        return dropped

    def count_missed(self, wanted: Wanted) -> int:
        """How many keys a resync would ask for."""
        return sum(self._missed.scopes(wanted).values())

    def resync(
        self,
        wanted: Wanted,
        asked: Asked,
        *,
        dry_run: bool = False,
        expected: int | None = None,
        request: str | None = None,
    ) -> Resynced:
        """Asks the ERP for the missed keys, and waits until the broker has every message; raises `NotConfirmed`.

        The same `request` gives messages of the same id for the same keys. Raises `Changed` if far more keys are
        missed than expected: then what was shown before is no longer what would be asked for.
        """
        scopes = self._missed.scopes(wanted)
        keys = sum(scopes.values())
        messages = sum(ceil(count / MOST_KEYS) for count in scopes.values())
        if expected is not None and grew_much(expected, keys):
            raise Changed("missed keys", expected, keys)
        if dry_run or not keys:
            return Resynced(keys, messages, 0)
        with self._acts.noted(Act("resync", asked, wanted.shop, wanted.domain)) as noted:
            pieces = self._missed.pieces(wanted, scopes, MOST_KEYS)
            requested = ask_again(
                self._publish, pieces, request or noted.id, lambda more: self._acts.add(noted.id, more)
            )
        return Resynced(keys, messages, requested)

    def retry(self, shop: str, order_id: str, asked: Asked) -> bool:
        """Lets an order be sent again that is neither internalized nor being sent; whether there was such a one."""
        return self._retrying.retry(Act("retry", asked), shop, order_id)

    def count_retryable(self, which: Retryable) -> int:
        """How many orders a retry of many would be about."""
        return self._retrying.count(which)

    def retry_many(self, which: Retryable, asked: Asked, expected: int | None = None) -> int:
        """Lets many orders be sent again, and says how many; raises `Changed`."""
        check_expected("orders", expected, self._retrying.count(which))
        retried, after = 0, _BEFORE_ALL
        with self._acts.noted(Act("retry", asked, which.shop, ORDERS, str(which))) as noted:
            while after is not None:
                some, after = self._retrying.retry_some(noted.id, which, after)
                retried += some
        return retried

    def _replay(self, act: Act, chosen: Chosen, expected: int | None = None) -> Replayed:
        span = self._releasing.span(chosen)
        check_expected("messages", expected, span.number)
        with self._acts.noted(act) as noted:
            done = replay(self._publish, self._releasing, noted.id, chosen, span, self._seconds)
            noted.error = done.error or _first_refusal(done)
        return done


def _act(action: str, asked: Asked, chosen: Chosen) -> Act:
    return Act(action, asked, chosen.shop, chosen.domain, str(chosen))


def _first_refusal(done: Replayed) -> str | None:
    return f"{done.staying} can't be replayed: {done.refused[0].why}" if done.refused else None


def _not_there(identity: str) -> str:
    return f"nothing with the id {identity} is in the quarantine (any more)"
