"""Storage whose rows grow old: a ledger of many days, and the upkeep that rolls it up."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from control.upkeep import run_upkeep
from rules.retention import Retention
from storage.tables import ledger, received
from storage.upkeep import Upkeep
from tests.support.views_harness import ViewsHarness

__all__ = ["DAY", "NOW", "UpkeepHarness"]

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class UpkeepHarness(ViewsHarness):
    """Storage whose rows grow old."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def upkeep(self, holder: str = "one", **kept: timedelta) -> Upkeep:
        return Upkeep(self.fence, Retention(**kept), holder)

    def run(self, **kept: timedelta) -> Counter[str]:
        upkeep = self.upkeep(**kept)
        assert upkeep.claim()
        gone = run_upkeep(upkeep, threading.Event())
        upkeep.release()
        return gone

    def rolls_up_all(self) -> bool:
        """Return whether nothing is due after a run; after one more where an hour has ended meanwhile."""
        for _ in range(2):
            self.run()
            if self.upkeep().counts() == {"ledger": 0}:
                return True
        return False

    def sums(self) -> tuple[dict[Any, int], dict[Any, int]]:
        """The sums of the ledger by shop, domain and outcome, and of what was received by domain."""
        by_outcome = select(ledger.c.shop, ledger.c.domain, ledger.c.outcome, func.sum(ledger.c["count"]))
        by_domain = select(received.c.domain, func.sum(received.c["count"])).group_by(received.c.domain)
        with self.engine.connect() as connection:
            rows = connection.execute(by_outcome.group_by(ledger.c.shop, ledger.c.domain, ledger.c.outcome))
            return (
                {(shop, domain, outcome): int(count) for shop, domain, outcome, count in rows},
                {domain: int(count) for domain, count in connection.execute(by_domain)},
            )

    def count(self, table: Any) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table)) or 0

    def fill_ledger(self, days: int, step: timedelta = timedelta(minutes=53)) -> None:
        """Write a ledger of two workers and two shops that ends now."""
        chance = random.Random(7)
        minutes, at = [], NOW.replace(second=0, microsecond=0)
        while at > NOW - days * DAY:
            minutes.append(at)
            at -= step
        rows = [
            {
                "minute": minute,
                "worker": worker,
                "shop": shop,
                "domain": "stock",
                "outcome": outcome,
                "count": chance.randint(1, 9),
            }
            for minute in minutes
            for worker in ("w1", "w2")
            for shop in ("main", "other")
            for outcome in ("applied", "discarded")
        ]
        self.fill(ledger, rows)
        self.fill(
            received,
            [
                {"minute": minute, "worker": worker, "domain": "stock", "count": 5}
                for minute in minutes
                for worker in ("w1", "w2")
            ],
        )

    def minutes(self) -> list[tuple[datetime, str]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(ledger.c.minute, ledger.c.worker).distinct())]
