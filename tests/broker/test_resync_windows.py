"""The ERP is asked for what it has changed in a window of time; while anything of it is off, it is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from control.resync_windows import ResyncWindow
from rules.actions import Conflict, NotConfirmed
from schemas.domains import DOMAINS
from schemas.events import parse_event
from schemas.resync import RESYNC_TYPE
from tests.support.operator import ANA, Operator
from tests.support.pipeline import Pipeline, stock_event
from tests.support.schema_validators import schema_accepts
from tests.support.wait import wait_until

SINCE, UNTIL = datetime(2026, 11, 23, 7, tzinfo=UTC), datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


@pytest.fixture
def operator(pipeline: Pipeline) -> Iterator[Operator]:
    operator = Operator(pipeline)
    yield operator
    operator.close()


def know(pipeline: Pipeline, *shops: str) -> None:
    pipeline.store.commit([parse_event("stock", shop, stock_event(1, "P1")) for shop in shops])


def asked(pipeline: Pipeline, number: int) -> list[tuple[str, dict[str, Any]]]:
    with pipeline.channel() as channel:
        found = []
        for _ in range(number):
            message = wait_until(lambda: channel.basic_get("erp.resync", no_ack=True), what="a request")
            found.append((message.delivery_info["routing_key"], json.loads(message.body)))
        return found


def test_a_window_is_asked_for_by_shop_and_domain(pipeline: Pipeline, operator: Operator) -> None:
    know(pipeline, "north", "south")
    window = ResyncWindow(SINCE, UNTIL, domain="stock")
    assert operator.actions.windows.request(window, ANA, dry_run=True) == 2
    assert operator.published == []
    assert operator.actions.windows.request(window, ANA) == 2
    for (key, body), shop in zip(asked(pipeline, 2), ("north", "south"), strict=True):
        assert key == f"{shop}.stock"
        assert schema_accepts(RESYNC_TYPE, body)
        assert body["data"] == {
            "shop": shop,
            "domain": "stock",
            "from": "2026-11-23T07:00:00.000000Z",
            "to": "2026-11-23T08:30:00.000000Z",
        }
    [act] = operator.audit()
    assert (act["action"], act["count"], act["domains"], act["result"]) == ("resync", 2, ["stock"], "done")
    assert "2026-11-23T07:00" in act["subject"]


def test_without_a_domain_every_one_is_asked_for(pipeline: Pipeline, operator: Operator) -> None:
    know(pipeline, "north")
    assert operator.actions.windows.request(ResyncWindow(SINCE, UNTIL, "north"), ANA) == len(DOMAINS)
    assert {key for key, _ in asked(pipeline, len(DOMAINS))} == {f"north.{domain}" for domain in DOMAINS}


def test_what_is_off_is_refused(pipeline: Pipeline, operator: Operator) -> None:
    know(pipeline, "north")
    pipeline.change("pause", shop="north", domains=["stock"])
    with pytest.raises(Conflict, match="north/stock is off"):
        operator.actions.windows.request(ResyncWindow(SINCE, UNTIL), ANA)
    assert operator.published == []
    assert operator.actions.windows.request(ResyncWindow(SINCE, UNTIL, "north", "prices"), ANA) == 1


def test_a_pause_in_between_stops_the_asking(pipeline: Pipeline, operator: Operator) -> None:
    know(pipeline, "north")
    publish = operator.publish

    def pausing(messages: Any) -> Any:
        results = publish(messages)
        pipeline.change("pause", shop="north")
        return results

    replace_publish(operator, pausing)
    with pytest.raises(Conflict, match="is off"):
        operator.actions.windows.request(ResyncWindow(SINCE, UNTIL, "north"), ANA)
    assert len(operator.published) == 1
    assert operator.audit()[0]["count"] == 1


def test_an_unknown_shop_and_an_exchange_without_a_queue_are_named(pipeline: Pipeline, operator: Operator) -> None:
    know(pipeline, "north")
    with pytest.raises(Conflict, match="did you mean north"):
        operator.actions.windows.request(ResyncWindow(SINCE, UNTIL, "nroth"), ANA)
    with pipeline.channel() as channel:
        channel.queue_unbind("erp.resync", "erp.resync", "#")
    try:
        with pytest.raises(NotConfirmed, match="no queue is bound"):
            operator.actions.windows.request(ResyncWindow(SINCE, UNTIL, "north", "stock"), ANA)
    finally:
        with pipeline.channel() as channel:
            channel.queue_bind("erp.resync", "erp.resync", "#")


def replace_publish(operator: Operator, publish: Callable[[Any], Any]) -> None:
    operator.actions.windows._publish = publish
