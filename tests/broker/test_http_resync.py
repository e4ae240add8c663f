"""Resync requests over HTTP: answered with events or later; what fails is named and not remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from control.actions import OperatorActions
from producers import http_resync
from producers.http_resync import ResyncByHttp
from rules.actions import NotConfirmed
from schemas.events import parse_event
from storage.views import MissedFilter, QuarantineFilter
from tests.support.event_samples import sample_event
from tests.support.operator import ANA, Operator
from tests.support.pipeline import Pipeline, stock_event
from tests.support.services.http_erp import HttpErp, running_http_erp


@pytest.fixture
def erp() -> Iterator[HttpErp]:
    with running_http_erp() as erp:
        erp.default = "events"
        erp.events = answer
        yield erp


@pytest.fixture
def operator(pipeline: Pipeline, erp: HttpErp) -> Iterator[Operator]:
    operator = Operator(pipeline)
    asking = ResyncByHttp(erp.url, operator.publish)
    operator.actions = OperatorActions(pipeline.database, asking)
    yield operator
    asking.close()
    operator.close()


def answer(payload: Any) -> list[Any]:
    """Each of the keys as it is in the ERP."""
    entity = {"stock": "stock", "products": "products"}[payload["domain"]]
    return [
        json.loads(sample_event(entity, envelope={"id": f"again-{number}", "sequence": "1"}, **key))
        for number, key in enumerate(payload["keys"])
    ]


def miss(pipeline: Pipeline, number: int) -> None:
    pipeline.change("pause")
    pipeline.store.commit([parse_event("stock", "main", stock_event(1, f"P{each:04}")) for each in range(number)])
    pipeline.change("resume")


def left(pipeline: Pipeline) -> int:
    return len(pipeline.database.views.rows(MissedFilter(), 10_000))


def test_the_events_of_an_answer_are_published_and_make_the_keys_good(
    pipeline: Pipeline, operator: Operator, erp: HttpErp
) -> None:
    miss(pipeline, 1_201)
    assert operator.actions.resync(MissedFilter(), ANA) == (1_201, 3, 1_201)
    with pipeline.stepped_worker("stock") as worker:
        worker.drain(1_201)
    assert left(pipeline) == 0
    assert sorted(len(payload["keys"]) for payload in erp.payloads.values()) == [201, 500, 500]
    assert {message.routing_key for message in operator.published} == {"main.stock"}
    keys = list(erp.headers)
    assert all(key.startswith("main/stock/resync/") for key in keys)
    assert len(set(keys)) == 3


@pytest.mark.parametrize("answer", ["accept", "marked list"])
def test_an_erp_may_answer_later(pipeline: Pipeline, operator: Operator, erp: HttpErp, answer: str) -> None:
    miss(pipeline, 2)
    erp.default = answer
    assert operator.actions.resync(MissedFilter(), ANA) == (2, 1, 2)
    assert operator.published == []
    assert {row["asked_count"] for row in pipeline.database.views.rows(MissedFilter())} == {1}


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("500", "HTTP 500"),
        ("400", "no such customer"),
        ("garbage", "without JSON"),
        ("empty", "without an array"),
        ("reset", "connection broken"),
        ("redirect", "HTTP 303"),
        ("endless", "more than 1 MiB: let it answer 202"),
        ("nested", "without JSON"),
    ],
)
def test_what_fails_is_named_and_not_remembered(
    pipeline: Pipeline,
    operator: Operator,
    erp: HttpErp,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    named: str,
) -> None:
    monkeypatch.setattr(http_resync, "MOST_ANSWERED", 1024 * 1024)
    asking = ResyncByHttp(erp.url, operator.publish, timeout=5)
    operator.actions = OperatorActions(pipeline.database, asking)
    miss(pipeline, 1)
    erp.default = script
    with pytest.raises(NotConfirmed, match="COMPORTA_ERP_RESYNC_URL failed") as refused:
        operator.actions.resync(MissedFilter(), ANA)
    assert named in str(refused.value)
    assert {row["asked_at"] for row in pipeline.database.views.rows(MissedFilter())} == {None}
    asking.close()


def test_what_is_no_event_is_quarantined_as_any_other(pipeline: Pipeline, operator: Operator, erp: HttpErp) -> None:
    miss(pipeline, 1)
    erp.events = lambda payload: [*answer(payload), 7, {"id": "x" * 300}, {"id": None}]
    assert operator.actions.resync(MissedFilter(), ANA) == (1, 1, 1)
    with pipeline.stepped_worker("stock") as worker:
        worker.drain(4)
    assert (left(pipeline), operator.actions.count_quarantined(QuarantineFilter())) == (0, 3)
