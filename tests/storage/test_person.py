"""Erasure of a person: in every table, on both databases, for good, and without a loss of what must stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Text, cast, func, select

from control.person import PersonActions
from control.quarantine_jobs import QuarantineJobs
from rules.actions import AuditContext
from rules.outcomes import Decoded, Outcome, RejectedDelivery
from rules.person import ERASED
from schemas.events import ChangeEvent, parse_event
from schemas.orders import parse_shop_message
from schemas.reasons import Reason, Refusal
from storage.all_tables import every_table
from storage.audit import AuditEntry
from storage.changes import ChangeFeed, read_changes
from storage.order_store import OrderStore
from storage.quarantine_notes import QuarantineNotes
from storage.reminder_tables import reminder_deliveries
from storage.tables import audit, missed, orders, repairs
from storage.views import AuditFilter, OrderFilter, QuarantineFilter
from tests.support.event_samples import sample_event
from tests.support.order_events import cancelled, decoded_order, decoded_receipt, internalized, invoiced, placed
from tests.support.storage_harness import StorageHarness

CPF, MASKED, OTHER = "52998224725", "529.982.247-25", "11144477735"
DPO = AuditContext("dpo", "cli", f"asked by {MASKED}")


class Place(StorageHarness):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.orders = OrderStore(self.fence, "w1")
        self.people = PersonActions(self.fence)

    def cancel(self, *ids: str) -> None:
        for order_id in ids:
            wish = parse_shop_message("main", cancelled(order_id))
            self.orders.commit([Decoded("orders", wish, lambda refusal: pytest.fail(str(refusal)))])

    def hear(self, body: bytes) -> None:
        self.orders.commit([decoded_receipt(body)])

    def refuse(self, body: bytes, domain: str = "customers", **headers: Any) -> None:
        refusal = Refusal(Reason.MALFORMED_JSON, "", "not JSON")
        item = RejectedDelivery("main", domain, refusal, body, f"main.{domain}", "", headers, False)
        self.store.commit([item], lambda *_: item)

    def mentions(self, *needles: str) -> dict[str, int]:
        """Count the rows with any of these texts, by table and column, in whatever column they stand."""
        found = {}
        with self.engine.connect() as connection:
            for table in every_table().sorted_tables:
                for column in table.columns:
                    values = [value for value in connection.scalars(select(column)) if value is not None]
                    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
                    number = sum(any(needle in text for needle in needles) for text in texts)
                    if number:
                        found[f"{table.name}.{column.name}"] = number
        return found


@pytest.fixture
def place(any_database_url: str) -> Iterator[Place]:
    place = Place(any_database_url)
    yield place
    place.engine.dispose()


def customer(version: int, code: str = "C1", *, event_id: str = "e1", document: str = CPF, **data: Any) -> ChangeEvent:
    envelope = {"sequence": str(version), "id": event_id}
    data = {"kind": "PF", "document": document, "name": "Ana Souza", "code": code, **data}
    return parse_event("customers", "main", sample_event("customers", envelope=envelope, **data))


def buyer(document: str = MASKED, name: str = "Ana Souza") -> dict[str, Any]:
    return {"customer": {"document": document, "name": name, "email": f"{name[:3].lower()}@example.com"}}


def test_a_person_is_erased_everywhere_and_others_keep_their_data(place: Place) -> None:
    place.commit(customer(1), customer(1, "C2", document=OTHER, name="Rui Lima"))
    place.change("pause", domains=["customers"])
    place.commit(customer(2, name="Ana S. Lima"))
    place.refuse(sample_event("customers", code="C1", document="1", name="Ana Souza"))
    place.refuse(b'{"document": "529.982.247-25", "name": "Ana Souza"')
    place.refuse(sample_event("customers", code="C2", document="1", name="Rui Lima"))
    place.orders.commit([decoded_order(placed(each, **buyer())) for each in ("gone", "open", "sold")])
    place.orders.commit([decoded_order(placed("rui", **buyer(OTHER, "Rui Lima"), notes=f"gift for {CPF}"))])
    place.cancel("gone", "rui")
    place.hear(internalized("sold"))
    place.change("pause", domains=["stock"], reason=f"call of {MASKED}")

    dry = place.people.erase(MASKED, DPO, dry_run=True)
    assert dry.rows == {"customers": 1, "missed": 1, "orders": 2, "quarantine": 2, "audit": 1, "switches": 1}
    assert (dry.erased, place.mentions(CPF, MASKED) != {}) == (0, True)
    assert {(stay.table, stay.reason, stay.rows) for stay in dry.stays} == {
        ("orders", "tax_law", 1),
        ("orders", "open_order", 1),
    }
    assert sorted(dry.orders) == ["main/open", "main/sold"]

    erasure = place.people.erase(CPF, DPO)
    assert (erasure.rows, erasure.erased) == (dry.rows, sum(dry.rows.values()))
    assert place.mentions(CPF, MASKED, "Ana Souza", "ana@") == {"orders.payload": 2}
    assert place.mentions("Rui Lima") == {
        "customers.name": 1,
        "quarantine.body": 1,
        "quarantine.search_text": 1,
        "orders.payload": 1,
    }
    [entry] = place.views.rows(AuditFilter(action="person-erase"))
    assert (entry["by"], entry["reason"], entry["count"]) == ("dpo", f"asked by {ERASED}", erasure.erased)
    assert "customers 1" in str(entry["subject"])
    again = place.people.erase(CPF, DPO)
    assert (again.rows, again.erased, len(again.stays)) == ({}, 0, 2)


def test_what_operators_wrote_about_a_person_loses_the_document(place: Place) -> None:
    place.refuse(sample_event("customers", code="C2", document="1", name="Rui Lima"))
    entry = AuditEntry("note", AuditContext("ana", "cli", None))
    QuarantineNotes(place.fence).write(entry, "malformed_json", "main", f"asked {MASKED}", f"of {CPF}")
    jobs = QuarantineJobs(place.fence)
    job = jobs.begin("drop", QuarantineFilter(key=CPF), AuditContext("ana", "cli", f"a wish of {MASKED}"))
    jobs.begin("drop", QuarantineFilter(shop="other"), AuditContext("ana", "cli", "another"))
    with place.fence.shared() as connection:
        row = {"id": "r1", "channel": "webhook", "kind": "off", "attempts": 0, "document": f'{{"reason": "{MASKED}"}}'}
        connection.execute(reminder_deliveries.insert(), {**row, "at": datetime.now(UTC), "due_at": datetime.now(UTC)})
    erasure = place.people.erase(MASKED, DPO)
    assert {name: erasure.rows[name] for name in ("quarantine_notes", "quarantine_jobs", "reminder_deliveries")} == {
        "quarantine_notes": 1,
        "quarantine_jobs": 1,
        "reminder_deliveries": 1,
    }
    assert place.mentions(CPF, MASKED) == {}
    [note] = QuarantineNotes(place.fence).all()
    assert (note.note, note.ticket) == (f"asked {ERASED}", f"of {ERASED}")
    assert jobs.one(job).reason == f"a wish of {ERASED}"


@pytest.mark.parametrize("paused", [False, True])
def test_no_older_event_brings_a_customer_back_and_a_newer_one_does(place: Place, paused: bool) -> None:
    place.commit(customer(5))
    if paused:
        place.change("pause")
        assert place.commit(customer(7, event_id="e7")) == {Outcome.DISCARDED: 1}
        place.change("resume")
    place.people.erase(CPF, DPO)
    newest = 7 if paused else 5
    # Older ones, the same one sent again, and the answer to a resync: its version under a new id, with any content.
    for event in (customer(4), customer(5), customer(newest, event_id="zz"), customer(newest, event_id="\u00ff")):
        assert place.commit(event) == {Outcome.SUPERSEDED: 1}
    [row] = place.rows("customers")
    assert (row["deleted"], row["version"], row["document"], row["name"]) == (True, newest, None, None)
    with place.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(missed)) == 0
    assert place.commit(customer(newest + 1)) == {Outcome.APPLIED: 1}


def test_who_follows_the_changes_hears_of_it(place: Place) -> None:
    ChangeFeed(place.fence).switch(on=True)
    place.commit(customer(5))
    place.people.erase(CPF, DPO)
    with place.engine.connect() as connection:
        changes = list(read_changes(connection, 0, 10))
    assert [(change.version, change.deleted) for change in changes] == [(5, False), (5, True)]


def test_a_code_that_is_the_document_stays_as_the_key_of_a_tombstone(place: Place) -> None:
    place.commit(customer(1, CPF))
    place.change("pause")
    place.commit(customer(1, MASKED))
    erasure = place.people.erase(CPF, DPO)
    assert erasure.rows == {"customers": 1, "missed": 1}
    assert [(stay.table, stay.reason, stay.rows) for stay in erasure.stays] == [("customers", "key", 2)]
    assert all(row["deleted"] for row in place.rows("customers"))
    assert place.mentions(CPF, MASKED) == {"customers.code": 2}


def test_a_foreign_id_touches_no_other_number(place: Place) -> None:
    place.commit(customer(1, "100200", document="AB-1", kind="foreign"))
    place.commit(customer(1, "C2", document="100-200", kind="foreign"))
    place.orders.commit([decoded_order(placed("100200", **buyer("9 99")))])
    place.refuse(sample_event("customers", code="C2", document="other"), "stock")
    assert place.people.erase("100200", DPO).rows == {"customers": 1}
    assert {row["code"]: row["deleted"] for row in place.rows("customers")} == {"100200": False, "C2": True}


def test_an_order_with_an_invoice_stays_even_if_it_was_cancelled(place: Place) -> None:
    place.orders.commit([decoded_order(placed("O1", **buyer()))])
    place.hear(invoiced("O1"))
    place.cancel("O1")
    erasure = place.people.erase(CPF, DPO)
    assert [(stay.reason, stay.rows) for stay in erasure.stays] == [("tax_law", 1)]
    assert erasure.erased == 0


def test_the_same_order_again_changes_nothing_after_its_buyer_was_erased(place: Place) -> None:
    order = placed("O1", **buyer())
    place.orders.commit([decoded_order(order)])
    place.cancel("O1")
    place.people.erase(CPF, DPO)
    tally = place.orders.commit([decoded_order(order)]).tally
    assert tally["main", "orders", Outcome.SUPERSEDED] == 1
    assert place.mentions(CPF, MASKED, "Ana Souza") == {}
    [row] = place.views.rows(OrderFilter())
    assert row["state"] == "cancelled"


def test_many_rows_go_in_steps_in_one_shop_alone(place: Place) -> None:
    place.commit(*(customer(1, f"C{number:04}") for number in range(350)))
    for number in range(120):
        place.refuse(json.dumps({"document": CPF, "number": number}).encode())
    with place.engine.begin() as connection:
        connection.execute(
            repairs.insert(),
            {"epoch": 1, "at": datetime.now(UTC), "action": "resume", "scopes": [], "by": "a", "reason": CPF},
        )
    assert place.people.erase(CPF, DPO, shop="other", dry_run=True).rows == {"repairs": 1}
    erasure = place.people.erase(CPF, DPO, shop="main")
    assert erasure.rows == {"customers": 350, "quarantine": 120, "repairs": 1}
    assert erasure.erased == 471
    assert place.mentions(CPF) == {}
    with place.engine.connect() as connection:
        assert connection.scalar(select(audit.c["count"]).where(audit.c.action == "person-erase")) == 471
        assert not connection.scalar(select(func.count()).where(cast(orders.c.payload, Text).contains(CPF)))
