"""The comparison with the ERP's file and the filing of what differs, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from control.comparison import Comparison
from rules.actions import AuditContext
from rules.comparison import Difference, There
from rules.outcomes import Outcome
from schemas.canonical import canonical_json
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, parse_event
from storage.audit import AuditEntry, AuditLog
from storage.entities import key_text
from storage.entity_rows import EntityRows
from storage.entity_tables import ENTITY_TABLES
from storage.missed_differences import Filed, MissedFiling
from storage.spool import Spool, Spooled
from storage.tables import audit, missed
from tests.support.event_samples import FULL, sample_event
from tests.support.storage_harness import StorageHarness, stock_change


class ComparisonHarness(StorageHarness):
    """Storage that is compared with events of the ERP."""

    def compare(self, *events: ChangeEvent, domain: str = "stock") -> tuple[int, list[Difference]]:
        """Compare one domain of the shop `main`; return the number of equal keys, and the differences."""
        with Spool() as spool:
            spool.add(map(_spooled, events))
            comparison = Comparison(EntityRows(self.fence, "main", domain), spool)
            differences = [difference for difference in comparison.differences() if difference is not None]
        assert comparison.compared == comparison.equal + len(differences)
        return comparison.equal, sorted(differences, key=lambda difference: difference.key)

    def file(self, differences: list[Difference], domain: str = "stock") -> Filed:
        keys = [difference.missed for difference in differences if difference.missed is not None]
        with AuditLog(self.fence).open(AuditEntry("compare", AuditContext("ana", "cli"), "main", domain)) as entry:
            return MissedFiling(self.fence, "main", domain).file(keys, entry.id)

    def missed(self) -> dict[str, int]:
        """The missed keys by their product, with their versions."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(missed.c.key, missed.c.version)).all()
        return {key.split('"product_code":"')[1].split('"')[0]: version for key, version in rows}

    def alter(self, **values: Any) -> None:
        """Change rows as somebody with SQL would."""
        with self.engine.begin() as connection:
            connection.execute(update(ENTITY_TABLES["stock"]).values(values))


def _spooled(event: ChangeEvent) -> Spooled:
    content = None if event.deleted else canonical_json(event.domain, event.data.__dict__)
    return Spooled(key_text(event.domain, event.key), There((event.version, event.event_id), content))


@pytest.fixture
def harness(any_database_url: str) -> Iterator[ComparisonHarness]:
    harness = ComparisonHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def stock(version: int, key: str, on_hand: str = "12.000", *, event_id: str = "e1", **kind: Any) -> ChangeEvent:
    envelope = {"sequence": str(version), "id": event_id}
    return parse_event("stock", "main", sample_event("stock", envelope=envelope, product_code=key, on_hand=on_hand))


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_was_applied_is_equal_to_the_event_in_every_field(harness: ComparisonHarness, domain: str) -> None:
    event = parse_event(domain, "main", sample_event(domain, **FULL[domain]))
    harness.commit(event)
    assert harness.compare(event, domain=domain) == (1, [])


def test_each_difference_is_named_with_its_fields_and_the_newer_side(harness: ComparisonHarness) -> None:
    harness.commit(stock(5, "equal"), stock(5, "older", "1"), stock(9, "newer", "1"), stock(5, "here"))
    harness.commit(stock(5, "gone"), stock(30, "later"))
    equal, found = harness.compare(
        stock(5, "equal"),
        stock(3, "older", "8"),
        stock(7, "older", "2"),
        stock(6, "older", "9"),
        stock(8, "newer", "2"),
        stock_change(20, "gone", action="deleted"),
        stock(4, "there"),
        stock_change(20, "nowhere", action="deleted"),
    )
    assert equal == 1
    assert [(each.kind, dict(each.fields), each.here, each.there, each.newer) for each in found] == [
        ("only_here", {}, 5, 20, "there"),  # gone
        ("only_here", {}, 5, None, None),  # here
        ("only_here", {}, 30, None, "here"),  # later than the whole file
        ("differs", {"on_hand": ("1", "2")}, 9, 8, "here"),  # newer
        ("differs", {"on_hand": ("1", "2")}, 5, 7, "there"),  # older
        ("only_there", {}, None, 4, "there"),  # there
    ]


def test_a_tombstone_is_no_entity(harness: ComparisonHarness) -> None:
    harness.commit(stock_change(3, "a", action="deleted"), stock_change(3, "b", action="deleted"))
    equal, [difference] = harness.compare(stock(2, "b"), stock_change(9, "c", action="deleted"))
    assert (equal, difference.kind, difference.newer, difference.missed) == (0, "only_there", "here", None)


def test_many_pages_are_compared_once_each(harness: ComparisonHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.entity_rows._PAGE", 7)
    events = [stock(number, f"P{number}") for number in range(60)]
    harness.commit(*events)
    equal, found = harness.compare(*events[:50], *events[:50])
    assert (equal, len(found), {difference.kind for difference in found}) == (50, 10, {"only_here"})


def test_pages_follow_numbers_and_times_in_a_key(harness: ComparisonHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.entity_rows._PAGE", 3)
    keys = [{"min_qty": f"{number}.5", "valid_from": f"2026-01-0{1 + number % 3}T00:00:00.5Z"} for number in range(20)]
    events = [parse_event("prices", "main", sample_event("prices", **key)) for key in keys]
    harness.commit(*events)
    assert harness.compare(*events, domain="prices") == (20, [])


def test_a_filed_key_is_missed_until_the_erps_version_is_applied(harness: ComparisonHarness) -> None:
    harness.commit(stock(5, "old", "1"))
    events = [stock(7, "old", "2"), stock(4, "there")]
    assert harness.file(harness.compare(*events)[1]) == (2, 0)
    assert harness.missed() == {"old": 7, "there": 4}
    harness.commit(stock(6, "old", "3"), stock(3, "there"))
    assert harness.missed() == {"old": 7, "there": 4}
    harness.commit(stock(7, "old", "2", event_id="other"))
    assert harness.missed() == {"there": 4}
    harness.commit(stock(8, "there"))
    assert harness.missed() == {}


@pytest.mark.parametrize("event_id", ["a", "e1", "z"])
def test_a_row_that_was_altered_is_repaired_by_the_same_version(harness: ComparisonHarness, event_id: str) -> None:
    event = stock(5, "a", "1")
    harness.commit(event)
    harness.alter(on_hand=99)
    _, [difference] = harness.compare(event)
    assert (dict(difference.fields), difference.newer) == ({"on_hand": ("99", "1")}, None)
    harness.file([difference])
    assert harness.missed() == {"a": 5}
    # What is older stays out, though the row has been opened for the same version again.
    assert harness.commit(stock(4, "a", "7", event_id="zz")) == {Outcome.SUPERSEDED: 1}
    assert harness.missed() == {"a": 5}
    assert harness.commit(stock(5, "a", "1", event_id=event_id)) == {Outcome.APPLIED: 1}
    assert (harness.missed(), harness.compare(event)) == ({}, (1, []))


def test_a_key_that_the_erp_does_not_have_is_missed_until_it_answers(harness: ComparisonHarness) -> None:
    harness.commit(stock(5, "ghost"))
    _, [difference] = harness.compare()
    assert harness.file([difference]) == (1, 0)
    assert harness.missed() == {"ghost": 5}
    assert harness.commit(stock_change(6, "ghost", action="deleted")) == {Outcome.APPLIED: 1}
    assert (harness.missed(), harness.compare()) == ({}, (0, []))


def test_what_is_newer_here_is_not_filed(harness: ComparisonHarness) -> None:
    harness.commit(stock(9, "a", "1"))
    _, differences = harness.compare(stock(8, "a", "2"))
    assert len(differences) == 1
    assert harness.file(differences) == (0, 0)
    assert harness.missed() == {}


def test_a_key_that_changes_between_comparison_and_filing_is_not_filed(harness: ComparisonHarness) -> None:
    harness.commit(stock(5, "a", "1"))
    _, differences = harness.compare(stock(7, "a", "2"), stock(7, "b"))
    harness.commit(stock(8, "a", "3"), stock(8, "b"))
    assert harness.file(differences) == (0, 2)
    assert harness.missed() == {}


def test_filing_twice_is_harmless_and_keeps_a_newer_missed_version(harness: ComparisonHarness) -> None:
    harness.change("pause")
    harness.commit(stock(9, "a"))
    harness.change("resume")
    for _ in range(2):
        _, differences = harness.compare(stock(7, "a"), stock(7, "b"))
        assert harness.file(differences) == (2, 0)
    assert harness.missed() == {"a": 9, "b": 7}


def test_the_filing_is_audited_with_its_count(harness: ComparisonHarness) -> None:
    harness.file(harness.compare(stock(1, "a"), stock(1, "b"))[1])
    with harness.engine.connect() as connection:
        [entry] = connection.execute(select(audit)).all()
    assert (entry.action, entry.by, entry.shop, entry.domains, entry.result, entry.count) == (
        *("compare", "ana", "main", ["stock"], "done"),
        2,
    )
