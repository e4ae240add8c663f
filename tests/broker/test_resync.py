"""The ERP is asked for what was missed, in messages of at most 500 keys: one suite for both brokers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from producers.messages import Fate, OutgoingMessage, PublishResult
from rules.actions import CountChanged, NotConfirmed
from schemas.domains import DOMAINS
from schemas.events import parse_event
from schemas.resync import RESYNC_TYPE
from storage.missed import key_of
from storage.views import MissedFilter
from tests.support.event_samples import sample_event
from tests.support.operator import ANA, Operator
from tests.support.pipeline import Pipeline, stock_event
from tests.support.schema_validators import schema_accepts
from tests.support.wait import wait_until


@pytest.fixture
def operator(pipeline: Pipeline) -> Iterator[Operator]:
    operator = Operator(pipeline)
    yield operator
    operator.close()


def miss(pipeline: Pipeline, *events: tuple[str, str, bytes]) -> None:
    """Has changes discarded: shop, domain and body each."""
    pipeline.change("pause")
    pipeline.store.commit([parse_event(domain, shop, body) for shop, domain, body in events])
    pipeline.change("resume")


def stocks(number: int, shop: str = "main") -> list[tuple[str, str, bytes]]:
    return [(shop, "stock", stock_event(1, f"P{place:05}")) for place in range(number)]


def asked(pipeline: Pipeline, number: int) -> list[tuple[str, dict[str, Any]]]:
    """What the ERP finds in its queue: the routing key and the body of so many messages, and no more."""
    with pipeline.channel() as channel:
        found = []
        for _ in range(number):
            message = wait_until(lambda: channel.basic_get("erp.resync", no_ack=True), what="a request")
            found.append((message.delivery_info["routing_key"], json.loads(message.body)))
        assert channel.basic_get("erp.resync", no_ack=True) is None
    return found


def test_1201_keys_are_asked_for_in_three_messages_of_exactly_the_key_fields(
    pipeline: Pipeline, operator: Operator
) -> None:
    miss(pipeline, *stocks(1201))
    assert operator.actions.resync(MissedFilter(), ANA, dry_run=True) == (1201, 3, 0)
    assert operator.actions.resync(MissedFilter(), ANA, expected=1201) == (1201, 3, 1201)
    requests = asked(pipeline, 3)
    assert [key for key, _ in requests] == ["main.stock"] * 3
    assert [len(body["data"]["keys"]) for _, body in requests] == [500, 500, 201]
    keys = [key for _, body in requests for key in body["data"]["keys"]]
    assert {frozenset(key) for key in keys} == {frozenset(DOMAINS["stock"].key_fields)}
    assert sorted(key["product_code"] for key in keys) == [f"P{place:05}" for place in range(1201)]
    for _, body in requests:
        assert schema_accepts(RESYNC_TYPE, body)
        assert (body["data"]["shop"], body["data"]["domain"], body["subject"]) == ("main", "stock", "main/stock")
    assert [message.message_id for message in operator.published] == [body["id"] for _, body in requests]
    [act] = operator.audit()
    assert (act["action"], act["count"], act["result"], act["by"]) == ("resync", 1201, "done", "ana")


def test_every_domain_is_asked_for_by_its_key(pipeline: Pipeline, operator: Operator) -> None:
    miss(pipeline, *(("main", domain, sample_event(domain)) for domain in DOMAINS), *stocks(1, "other"))
    assert operator.actions.resync(MissedFilter(), ANA) == (8, 8, 8)
    requests = dict(asked(pipeline, 8))
    assert requests.keys() == {f"main.{domain}" for domain in DOMAINS} | {"other.stock"}
    for domain in DOMAINS:
        [key] = requests[f"main.{domain}"]["data"]["keys"]
        assert tuple(key) == DOMAINS[domain].key_fields
        assert schema_accepts(RESYNC_TYPE, requests[f"main.{domain}"])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (MissedFilter(shop="other"), {"other.products": 1, "other.stock": 3}),
        (MissedFilter(domain="stock"), {"main.stock": 2, "other.stock": 3}),
        (MissedFilter("main", "stock"), {"main.stock": 2}),
        (MissedFilter("main", "images"), {}),
    ],
)
def test_a_part_of_it_is_asked_for(
    pipeline: Pipeline, operator: Operator, wanted: MissedFilter, found: dict[str, int]
) -> None:
    miss(pipeline, *stocks(2), *stocks(3, "other"), ("other", "products", sample_event("products")))
    number = sum(found.values())
    assert operator.actions.count_missed(wanted) == number
    assert operator.actions.resync(wanted, ANA).requested == number
    requests = asked(pipeline, len(found))
    assert {key: len(body["data"]["keys"]) for key, body in requests} == found
    assert len(operator.audit()) == bool(found)


def test_exactly_the_named_keys_are_asked_for_as_far_as_they_are_missed(pipeline: Pipeline, operator: Operator) -> None:
    miss(pipeline, *stocks(3), *stocks(3, "other"))
    key = pipeline.database.views.rows(MissedFilter(shop="main"))[1]["key"]
    named = MissedFilter(
        "main", "stock", keys=(key_of("stock", key), key_of("stock", {**key, "product_code": "not missed"}))
    )
    assert operator.actions.resync(named, ANA) == (1, 1, 1)
    [(routing_key, body)] = asked(pipeline, 1)
    assert (routing_key, body["data"]["keys"]) == ("main.stock", [key])


def test_a_repeat_of_a_request_is_recognised_and_another_request_is_none(
    pipeline: Pipeline, operator: Operator
) -> None:
    miss(pipeline, *stocks(2))
    ids = []
    for request in ("r1", "r1", "r2", None, None):
        operator.actions.resync(MissedFilter(), ANA, request=request, again=True)
        [(_, body)] = asked(pipeline, 1)
        ids.append(body["id"])
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    pipeline.store.commit([parse_event("stock", "main", stock_event(1, "P00000"))])
    operator.actions.resync(MissedFilter(), ANA, request="r1", again=True)
    assert asked(pipeline, 1)[0][1]["id"] not in ids


def unbind(pipeline: Pipeline) -> None:
    """Leaves the exchange without a queue."""
    with pipeline.channel() as channel:
        if pipeline.url.startswith("memory:"):
            # kombu's embedded broker keeps the bindings of a queue that is deleted.
            channel.state.exchanges["erp.resync"]["table"].clear()
        else:
            channel.queue_delete("erp.resync")


def test_without_a_queue_it_fails_by_name_and_says_what_to_bind(pipeline: Pipeline, operator: Operator) -> None:
    miss(pipeline, *stocks(1))
    unbind(pipeline)
    try:
        with pytest.raises(NotConfirmed, match=r"erp\.resync for main\.stock: bind .* routing key # or main\.stock"):
            operator.actions.resync(MissedFilter(), ANA)
    finally:
        pipeline.purge()
    [act] = operator.audit()
    assert (act["count"], act["result"]) == (0, "failed")
    assert "no queue is bound" in act["error"]


def test_what_was_confirmed_before_the_broker_was_lost_is_counted(pipeline: Pipeline, operator: Operator) -> None:
    miss(pipeline, *stocks(600), *stocks(1, "other"))

    def losing(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        assert len(messages) == 3
        return [
            PublishResult(message, Fate.UNKNOWN if at == 1 else Fate.CONFIRMED) for at, message in enumerate(messages)
        ]

    operator.actions._publish = losing
    with pytest.raises(NotConfirmed, match="501 keys were asked for"):
        operator.actions.resync(MissedFilter(), ANA)
    assert [(act["count"], act["result"]) for act in operator.audit()] == [(501, "failed")]


def test_a_number_that_has_grown_much_is_refused_and_one_that_fell_is_not(
    pipeline: Pipeline, operator: Operator
) -> None:
    miss(pipeline, *stocks(600))
    with pytest.raises(CountChanged) as changed:
        operator.actions.resync(MissedFilter(), ANA, expected=99)
    assert (changed.value.expected, changed.value.now, operator.published) == (99, 600, [])
    for expected in (100, 10_000):
        assert operator.actions.resync(MissedFilter(), ANA, expected=expected, dry_run=True).keys == 600


def test_millions_are_never_held_at_once(
    pipeline: Pipeline, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    miss(pipeline, *stocks(200))
    monkeypatch.setattr("control.actions.MOST_KEYS", 1)
    sizes: list[int] = []

    def counting(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        sizes.append(len(messages))
        return [PublishResult(message, Fate.CONFIRMED) for message in messages]

    operator.actions._publish = counting
    assert operator.actions.resync(MissedFilter(), ANA).requested == 200
    assert (sum(sizes), max(sizes)) == (200, 16)
