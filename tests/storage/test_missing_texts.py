"""Missing search texts: messages that former workers have refused become searchable, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from alembic import command
from sqlalchemy import delete, select, update

from rules.person import Person
from rules.retention import KINDS
from storage.migrate import alembic_config, migrate
from storage.missing_texts import add_texts, is_missing, missing_texts
from storage.person_rows import PersonStore
from storage.tables import quarantine
from storage.upkeep import TEXTS
from storage.views import mentions
from tests.support.upkeep_harness import UpkeepHarness
from tests.support.views_harness import START, rejected_delivery

CPF, MASKED = "52998224725", "529.982.247-25"
FOUND = ("P-7123", "sextavado", "SEXTAVADO 7", CPF, MASKED, "WEB-4711")


@pytest.fixture
def harness(any_database_url: str) -> Iterator[UpkeepHarness]:
    harness = UpkeepHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def body(**data: Any) -> bytes:
    return orjson.dumps({"id": "e1", "data": data})


def refuse_as_before(harness: UpkeepHarness, *bodies: bytes, after: str = "") -> None:
    """Insert refused messages as a worker does that knows no search text."""
    row = {"at": START, "shop": "main", "domain": "stock", "reason": "no_version", "pointer": "", "sentence": ""}
    row |= {"routing_key": "", "content_type": "", "headers": {}, "digest": "", "worker": "former"}
    harness.fill(quarantine, [{**row, "id": f"{after}{number:05}", "body": each} for number, each in enumerate(bodies)])


def texts(harness: UpkeepHarness) -> dict[str, str | None]:
    with harness.engine.connect() as connection:
        rows = connection.execute(select(quarantine.c.id, quarantine.c.search_text))
        return {row.id: row.search_text for row in rows}


def is_found(harness: UpkeepHarness, text: str) -> bool:
    return bool(harness.views.biography(text).quarantined)


WHOLE = body(code="P-7123", name="Parafuso sextavado 7", customer={"document": MASKED}, items=[{"number": "WEB-4711"}])


def test_messages_of_former_releases_and_of_their_workers_are_found_after_the_upkeep(
    harness: UpkeepHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mentions, "_MESSAGES_SEARCHED", 20)
    with harness.engine.connect() as connection, connection.begin():
        command.downgrade(alembic_config(connection), "0033")
    refuse_as_before(harness, WHOLE, *(body(code=f"other {number}") for number in range(50)))
    migrate(harness.engine)
    assert not any(is_found(harness, text) for text in FOUND)
    assert is_found(harness, "other 49")
    assert harness.views.biography("nothing").bounds == [("quarantine", 20)]
    assert harness.upkeep().counts() == {"ledger": 0, TEXTS: 51}

    assert harness.run() == {TEXTS: 51}
    assert all(is_found(harness, text) for text in FOUND)
    assert harness.views.biography("nothing").bounds == [("quarantine.body", 20)]

    # A former worker goes on.
    refuse_as_before(harness, body(name="Arruela lisa"), *[b"{}"] * 20, after="f")
    assert not is_found(harness, "Arruela lisa")
    assert harness.run() == {TEXTS: 21}
    assert is_found(harness, "Arruela lisa")


def test_a_run_that_was_ended_is_resumed_and_nothing_is_done_twice(harness: UpkeepHarness) -> None:
    refuse_as_before(harness, *(body(code=f"C{number}") for number in range(40)), b"not JSON", b"{}")
    harness.store.commit([rejected_delivery(WHOLE), rejected_delivery(b"{}")])
    first = next(iter(harness.upkeep().steps()))
    assert (first.kind, 0 < first.rows < 42) == (TEXTS, True)
    assert sum(text is None for text in texts(harness).values()) == 42 - first.rows
    assert harness.run() == {TEXTS: 42 - first.rows}
    made = texts(harness)
    assert (made["00000"], made["00040"], made["00041"]) == ("\ne1\nC0\n", "\nnot JSON\n", "")
    assert None not in made.values()
    assert (harness.run(), harness.upkeep().counts()) == (Counter(), {"ledger": 0})
    assert missing_texts(harness.fence, "", 10) == {}
    assert TEXTS not in KINDS


def test_a_message_too_large_for_it_stays_without_a_text(harness: UpkeepHarness) -> None:
    refuse_as_before(harness, WHOLE, b" " * (8 * 1024 * 1024 + 1))
    assert harness.upkeep().counts() == {"ledger": 0, TEXTS: 1}
    assert harness.run() == {TEXTS: 1}
    assert [identity for identity, text in texts(harness).items() if text is None] == ["00001"]
    with harness.engine.connect() as connection:
        assert not is_missing(connection)


def test_an_index_leads_to_messages_without_a_text(harness: UpkeepHarness) -> None:
    refuse_as_before(harness, *[b"{}"] * 500)
    harness.run()
    dialect = harness.engine.dialect.name
    query = "SELECT id FROM quarantine WHERE search_text IS NULL AND id > '' ORDER BY id LIMIT 10"
    with harness.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE quarantine")
        plan = connection.exec_driver_sql(f"EXPLAIN {'' if dialect == 'postgresql' else 'QUERY PLAN'} {query}").all()
        assert not is_missing(connection)
    assert "quarantine_without_text" in str(plan)


def test_a_message_that_went_or_lost_a_person_meanwhile_gets_no_text_of_before(harness: UpkeepHarness) -> None:
    refuse_as_before(harness, WHOLE, body(name=f"gift for {MASKED}", code="P1"), body(code="P2"))
    read = missing_texts(harness.fence, "", 10)
    assert [MASKED in text for text in read.values()] == [True, True, False]
    with harness.fence.shared() as connection:
        connection.execute(delete(quarantine).where(quarantine.c.id == "00000"))
    people = PersonStore(harness.fence, Person(CPF), None)
    with harness.fence.shared() as connection:
        connection.execute(update(quarantine).where(quarantine.c.id == "00002").values(search_text="\nmade\n"))
    assert dict(people.erase(people.find(), "no entry")) == {"quarantine": 1}
    with harness.fence.outside() as connection:
        assert add_texts(connection, read) == 0
    left = texts(harness)
    assert left.keys() == {"00001", "00002"}
    assert (CPF in str(left), MASKED in str(left), "P1" in str(left["00001"]), left["00002"]) == (
        False,
        False,
        True,
        "\nmade\n",
    )


def test_no_switch_waits_for_it_and_a_message_that_is_being_replayed_comes_later(database_url: str) -> None:
    harness = UpkeepHarness(database_url)
    refuse_as_before(harness, WHOLE, body(code="P2"))
    with harness.fence.exclusive() as connection:
        held = select(quarantine.c.id).where(quarantine.c.id == "00000").with_for_update()
        connection.execute(held)
        read = missing_texts(harness.fence, "", 10)
        with harness.fence.outside() as other:
            assert (len(read), add_texts(other, read)) == (2, 1)
    assert harness.run() == {TEXTS: 1}
    assert is_found(harness, "sextavado")
    harness.engine.dispose()
