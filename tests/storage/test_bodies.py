"""Bodies of quarantined messages: read in pieces, on both databases, and gone in the middle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, delete

from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from storage.engine import open_engine
from storage.quarantine import add_rejected
from storage.tables import quarantine
from storage.views import QuarantineFilter, Views, bodies
from storage.views.bodies import BodyGone, body_pieces
from tests.support.views_harness import ViewsHarness

BODY = os.urandom(2 * bodies.PIECE + 77)


@pytest.fixture
def engine(any_database_url: str) -> Iterator[Engine]:
    engine = open_engine(any_database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def views(any_database_url: str, engine: Engine) -> Views:
    return ViewsHarness(any_database_url).views


def quarantined(engine: Engine, body: bytes) -> str:
    """Put a message into the quarantine; return its id."""
    refusal = Refusal(Reason.MALFORMED_JSON, "", "a test")
    message = RejectedDelivery("main", "stock", refusal, body, "main.stock", "application/json", {}, False)
    with engine.begin() as connection:
        add_rejected(connection, "w", [message], datetime.now(UTC))
        return str(connection.execute(quarantine.select()).one().id)


@pytest.mark.parametrize("body", [BODY, b"", b"\x00\xff"], ids=["large", "empty", "bytes"])
def test_the_pieces_are_the_body(engine: Engine, views: Views, body: bytes) -> None:
    identity = quarantined(engine, body)
    found = views.quarantined_body(identity)
    assert found is not None
    assert (found.size, b"".join(found.pieces)) == (len(body), body)
    whole = views.quarantined_message(identity)
    assert whole is not None
    assert (whole["size"], whole["body"]) == (len(body), body)


def test_a_message_is_cut_and_its_size_is_whole(engine: Engine, views: Views) -> None:
    row = views.quarantined_message(quarantined(engine, BODY), 100)
    assert row is not None
    assert (row["size"], row["body"], row["reason"]) == (len(BODY), BODY[:100], "malformed_json")


def test_an_unknown_message_has_no_body(engine: Engine, views: Views) -> None:
    assert views.quarantined_body("nothing") is None
    assert views.quarantined_message("nothing") is None


def test_a_message_that_is_dropped_meanwhile_is_noticed(engine: Engine) -> None:
    pieces = body_pieces(engine, quarantined(engine, BODY), len(BODY))
    next(pieces)
    with engine.begin() as connection:
        connection.execute(delete(quarantine))
    with pytest.raises(BodyGone):
        next(pieces)


def test_of_a_body_beyond_its_bound_the_search_reads_codes_alone(engine: Engine, views: Views) -> None:
    long = b" " * (2 * 1024 * 1024)
    identity = quarantined(engine, b'{"product_code":"code-1","note":"findme"}' + long)
    assert views.biography("findme").quarantined == []
    assert [row["id"] for row in views.biography("code-1").quarantined] == [identity]
    with engine.begin() as connection:
        connection.execute(delete(quarantine))
    quarantined(engine, b'{"note":"findme"}')
    assert len(views.biography("findme").quarantined) == 1
    assert len(views.rows(QuarantineFilter())) == 1
