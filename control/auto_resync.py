"""Resync loop: after a resume it asks the ERP for what was missed, as fast as the ERP answers, until a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby

import structlog
from uuid_utils import uuid7

from control.resync import request_resync
from producers.messages import OpenPublish, Publish
from rules.actions import NotConfirmed
from rules.resync import MOST_OUTSTANDING, ResyncMode, ResyncModes, ResyncPace
from schemas.resync import MOST_KEYS
from storage.errors import StorageError
from storage.missed import Piece
from storage.missed_requests import MissedRequests
from storage.resync_plan import BY, OpenScope, ResyncPlan

__all__ = ["AutoResync"]

log = structlog.get_logger(__name__)

_TICK_SECONDS, _REST_SECONDS = 1.0, 10.0


class AutoResync:
    """Loop of every worker until `stop` is set; only the one with the lease asks, for shops whose mode is `auto`.

    `open_publish` connects to the broker when there is something to ask for.
    """

    def __init__(
        self,
        plan: ResyncPlan,
        requests: MissedRequests,
        open_publish: OpenPublish,
        stop: threading.Event,
        modes: ResyncModes,
        most: int = MOST_OUTSTANDING,
    ) -> None:
        self._plan = plan
        self._requests = requests
        self._open_publish = open_publish
        self._stop = stop
        self._modes = modes
        self._most = most
        self._paces: dict[str, ResyncPace] = {}
        self._entries: dict[OpenScope, str] = {}

    def run(self) -> None:
        """Ask until `stop` is set; while the database or the broker is away, wait."""
        rest_until, reported = 0.0, ""
        while not self._stop.wait(_TICK_SECONDS):
            if time.monotonic() < rest_until:
                continue
            try:
                if self.scopes():
                    self._ask()
                reported = ""
            except (StorageError, NotConfirmed) as error:
                if str(error) != reported:
                    log.warning("missed keys can't be asked for", error=str(error))
                reported = str(error)
                rest_until = time.monotonic() + _REST_SECONDS

    def scopes(self) -> list[OpenScope]:
        """Return the open scopes of shops whose mode is `auto`."""
        return [scope for scope in self._plan.scopes() if self._modes.of(scope.shop) is ResyncMode.AUTO]

    def _ask(self) -> None:
        if not self._plan.claim():
            return
        try:
            with self._open_publish() as publish:
                while not self._stop.is_set() and (scopes := self.scopes()) and self._plan.claim():
                    self.step(publish, scopes)
                    self._stop.wait(_TICK_SECONDS)
        finally:
            self._plan.release()

    def step(self, publish: Publish, scopes: Sequence[OpenScope]) -> int:
        """Ask for as many keys as the ERPs' answers allow; return the number. Raises `NotConfirmed`."""
        asked = 0
        for shop, of_shop in groupby(scopes, lambda scope: scope.shop):
            asked += self._ask_shop(publish, shop, list(of_shop))
        return asked

    def _ask_shop(self, publish: Publish, shop: str, scopes: Sequence[OpenScope]) -> int:
        pace = self._paces.setdefault(shop, ResyncPace(self._most))
        waiting = [self._plan.unanswered(scope) for scope in scopes]
        oldest = max(each.oldest_seconds for each in waiting)
        allowed = pace.allows(sum(each.number for each in waiting), oldest, time.monotonic())
        asked = 0
        for scope, piece in self._pieces(scopes, allowed):
            # Read anew for each message: a pause that comes in between stops the asking.
            if self._stop.is_set() or not self._plan.is_on((scope.shop, scope.domain)):
                break
            asked += self._request(publish, scope, piece)
        pace.asked(asked)
        return asked

    def _pieces(self, scopes: Sequence[OpenScope], allowed: int) -> Iterator[tuple[OpenScope, Piece]]:
        for scope in scopes:
            while allowed > 0 and (piece := self._plan.next_keys(scope, min(MOST_KEYS, allowed))) is not None:
                yield scope, piece
                allowed -= len(piece.keys)

    def _request(self, publish: Publish, scope: OpenScope, piece: Piece) -> int:
        entry = self._entries.get(scope)
        if entry is None:
            # One entry for each resume of a scope; that of an earlier one is not needed any more.
            self._entries = {each: name for each, name in self._entries.items() if each[:2] != scope[:2]}
            entry = self._entries[scope] = self._plan.begin(scope)

        def remember(confirmed: Sequence[Piece]) -> None:
            self._requests.remember(confirmed, BY)

        number = request_resync(publish, [piece], str(uuid7()), remember)
        self._plan.count(entry, number)
        return number
