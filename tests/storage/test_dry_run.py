"""Dry runs: the predicted outcomes are those of the batch, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from control.switchboard import Switchboard
from rules.outcomes import Outcome, RejectedDelivery
from schemas.control import Command, ControlMessage
from schemas.events import ChangeEvent, parse_event
from schemas.reasons import Reason, Refusal
from storage.database import Database, open_database
from storage.entity_tables import ENTITY_TABLES
from storage.event_store import EventStore
from storage.tables import ledger
from tests.support.event_samples import sample_event
from tests.support.storage_harness import reject_event_at

Item = ChangeEvent | RejectedDelivery
# A step of an example: a switch that is thrown, or a batch.
Step = tuple[str, str, str] | list[tuple[Any, ...]]

SHOPS, DOMAINS = ("one", "two"), ("stock", "prices")
switches = st.tuples(st.sampled_from(["pause", "resume"]), st.sampled_from([*SHOPS, "*"]), st.sampled_from(DOMAINS))
events = st.tuples(
    st.sampled_from(SHOPS),
    st.sampled_from(DOMAINS),
    st.sampled_from(["1", "2.50", "2.5"]),
    st.integers(1, 4),
    st.sampled_from(["a", "z", "é"]),
    st.sampled_from(["changed", "changed", "deleted"]),
)
rejected = st.tuples(st.sampled_from([*SHOPS, "?"]))
steps = st.lists(switches | st.lists(events | rejected, max_size=12), min_size=1, max_size=6)


def item(shop: str, domain: str = "", key: str = "", version: int = 0, identity: str = "", action: str = "") -> Item:
    if not domain:
        return RejectedDelivery(shop, "stock", Refusal(Reason.MALFORMED_JSON, "", "no"), b"x", "x", "", {}, False)
    named = {"product_code": key} if domain == "stock" else {"min_qty": key}
    body = sample_event(domain, action=action, envelope={"sequence": str(version), "id": identity}, **named)
    return parse_event(domain, shop, body)


class DryRunHarness:
    """Database with an event store; every example has shops of its own there."""

    def __init__(self, url: str) -> None:
        self.database: Database = open_database(url)
        self.switchboard = Switchboard(self.database.fence, lambda _: None)
        self.store = EventStore(self.database.fence, self.switchboard, "w1")

    def turn(self, action: Any, shop: str, domain: str) -> None:
        message = ControlMessage.model_validate({"reason": "test", "shop": shop, "domains": [domain], "new_shop": True})
        self.switchboard.change(Command(action, message, "amqp"))

    def foresee_and_commit(self, batch: Sequence[Item]) -> list[Outcome]:
        foreseen = self.database.dry_run.outcomes(batch)
        tally = self.store.commit(batch, reject_event_at(batch)).tally
        counted = Counter((each.shop, each.domain, outcome) for each, outcome in zip(batch, foreseen, strict=True))
        assert counted == +tally
        return foreseen


@pytest.fixture(params=[False, True], ids=["unwatched", "watched"])
def watched(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_what_is_foreseen_is_what_is_committed_and_told(any_database_url: str, watched: bool) -> None:
    harness, number = DryRunHarness(any_database_url), count()

    def told(example: Sequence[Step]) -> list[list[Outcome]]:
        prefix = f"x{next(number)}-"
        found = []
        for step in example:
            if isinstance(step, tuple):
                action, shop, domain = step
                harness.turn(action, shop if shop == "*" else prefix + shop, domain)
            elif step:
                batch = [item(shop if shop == "?" else prefix + shop, *rest) for shop, *rest in step]
                found.append(harness.foresee_and_commit(batch))
        for domain in DOMAINS:
            harness.turn("resume", "*", domain)
        return found

    @settings(max_examples=25, deadline=None)
    @given(steps)
    def check(example: Sequence[Step]) -> None:
        if not watched:
            told(example)
            return
        with harness.database.watch() as watcher:
            foreseen = told(example)
            seen = watcher.look().batches
        assert [[line["outcome"] for line in batch.lines] for batch in seen] == foreseen

    check()
    harness.database.close()


def test_nothing_is_written_and_nobody_is_waited_for(any_database_url: str) -> None:
    harness = DryRunHarness(any_database_url)
    with harness.database.fence.exclusive() as connection:
        assert harness.database.dry_run.outcomes([item("one", "stock", "1", 1, "a", "changed")]) == [Outcome.APPLIED]
        assert not connection.scalar(select(func.count()).select_from(ENTITY_TABLES["stock"]))
        assert not connection.scalar(select(func.count()).select_from(ledger))
    harness.database.close()


def test_an_empty_batch_has_no_future(sqlite_url: str) -> None:
    assert open_database(sqlite_url).dry_run.outcomes([]) == []
