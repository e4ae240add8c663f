"""Partitions: the setting, the names of their queues, and a domain's queues as one."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from comporta.runtime.settings import SettingsError, load_settings
from consumers.left_over import LeftOver
from producers.events import outgoing_text
from rules.consumption import Beat, QueueState, judge_consumption, queues_of
from rules.dead_letters import domain_of_queue
from schemas.broker_users import broker_user
from schemas.domains import DOMAIN_NAMES
from schemas.partitions import (
    KEY_HEADER,
    Partitions,
    change_domain,
    hash_exchanges,
    parse_partitions,
    partition_number,
)
from schemas.queue_policies import policies
from storage.errors import Unavailable
from tests.support.event_samples import sample_event

NOW = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)
RABBITMQ = "amqp://guest:guest@127.0.0.1:5672/"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", {}),
        ("stock=4", {"stock": 4}),
        (" stock = 4 , products=2,", {"stock": 4, "products": 2}),
        ("stock=1", {}),
        ("price_tables=32", {"price_tables": 32}),
    ],
)
def test_domains_are_given_their_number_of_queues(text: str, counts: dict[str, int]) -> None:
    assert dict(parse_partitions(text).counts) == counts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stock", ["'stock'", "from 1 to 32", "stock=4,products=2"]),
        ("stock=0", ["'stock=0'", "from 1 to 32"]),
        ("stock=33", ["'stock=33'", "from 1 to 32"]),
        ("stock=-1", ["'stock=-1'"]),
        ("stock=two", ["'stock=two'"]),
        ("stock=²", ["from 1 to 32"]),
        ("stok=2", ["'stok'", "products", "customers"]),
        ("orders=2", ["'orders'"]),
        ("receipts=2", ["'receipts'"]),
        ("stock=2,stock=3", ["stock", "twice"]),
        ("stock=2;products=2", ["'stock=2;products=2'"]),
    ],
)
def test_a_faulty_setting_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, text: str, words: list[str]
) -> None:
    monkeypatch.setenv("COMPORTA_PARTITIONS", text)
    with pytest.raises(SettingsError) as refused:
        load_settings(broker_url=RABBITMQ)
    assert all(word in str(refused.value) for word in ["COMPORTA_PARTITIONS", *words])


def test_the_embedded_broker_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPORTA_PARTITIONS", "stock=4")
    with pytest.raises(SettingsError, match="COMPORTA_PARTITIONS: the embedded broker"):
        load_settings(broker_url="memory://")
    assert load_settings(broker_url=RABBITMQ).partition_layout == Partitions((("stock", 4),))


def test_what_spreads_is_the_shop_or_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPORTA_PARTITIONS", "stock=2")
    monkeypatch.setenv("COMPORTA_PARTITION_BY", "key")
    layout = load_settings(broker_url=RABBITMQ).partition_layout
    assert layout.exchange("stock").arguments == {"hash-header": KEY_HEADER}
    monkeypatch.setenv("COMPORTA_PARTITION_BY", "hash")
    with pytest.raises(SettingsError, match="COMPORTA_PARTITION_BY"):
        load_settings(broker_url=RABBITMQ)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["comporta.stock.1", "comporta.stock.2", "comporta.stock.3", "comporta.stock.4"]),
        ("2", ["comporta.stock.2"]),
        (" 1 , 3-4 ", ["comporta.stock.1", "comporta.stock.3", "comporta.stock.4"]),
    ],
)
def test_a_worker_takes_all_partitions_or_those_of_some_numbers(
    monkeypatch: pytest.MonkeyPatch, text: str, names: list[str]
) -> None:
    monkeypatch.setenv("COMPORTA_PARTITIONS", "stock=4,products=2")
    monkeypatch.setenv("COMPORTA_TAKE_PARTITIONS", text)
    layout = load_settings(broker_url=RABBITMQ).partition_layout
    assert (layout.consumed("stock"), len(layout.names)) == (names, 6)


@pytest.mark.parametrize(
    ("partitions", "text", "words"),
    [
        ("stock=4", "5", "'5' is no partition: the partitions have the numbers 1 to 4"),
        ("stock=4", "0", "'0' is no partition"),
        ("stock=4", "3-2", "'3-2' is no partition"),
        ("stock=4", "first", "'first' is none"),
        ("", "1", "COMPORTA_PARTITIONS names none"),
    ],
)
def test_partitions_that_are_not_there_can_not_be_taken(
    monkeypatch: pytest.MonkeyPatch, partitions: str, text: str, words: str
) -> None:
    monkeypatch.setenv("COMPORTA_PARTITIONS", partitions)
    monkeypatch.setenv("COMPORTA_TAKE_PARTITIONS", text)
    with pytest.raises(SettingsError, match="COMPORTA_TAKE_PARTITIONS") as refused:
        load_settings(broker_url=RABBITMQ)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("queue", "domain", "number"),
    [
        ("comporta.stock", "stock", None),
        ("comporta.stock.bulk", "stock", None),
        ("comporta.stock.1", "stock", 1),
        ("comporta.price_tables.32", "price_tables", 32),
        ("comporta.stock.0", None, None),
        ("comporta.stock.1.1", None, None),
        ("comporta.stock.by-shop", None, None),
        ("comporta.receipts", None, None),
        ("comporta.orders.1", None, None),
        ("erp.stock.1", None, None),
    ],
)
def test_a_queue_tells_its_domain_and_its_number(queue: str, domain: str | None, number: int | None) -> None:
    assert (change_domain(queue), partition_number(queue)) == (domain, number)


def test_what_died_in_a_partition_is_of_its_domain() -> None:
    queues = ("comporta.stock.3", "comporta.receipts", "comporta.orders", "comporta.control", "other.stock.3")
    assert [*map(domain_of_queue, queues)] == ["stock", "receipts", "orders", "control", domain_of_queue("")]


def test_policy_and_rights_cover_every_name() -> None:
    names = [*parse_partitions("stock=2").names, *(each.name for each in hash_exchanges("stock").values())]
    worker, provisioner = broker_user("comporta"), broker_user("provisioner")
    for pattern in (policies()[0]["pattern"], worker.read, worker.write, provisioner.configure):
        assert all(re.search(pattern, name) for name in names)


def test_a_domain_waits_as_much_as_all_its_queues_together() -> None:
    queues = {name: QueueState(0, 1, NOW, NOW) for domain in DOMAIN_NAMES for name in queues_of(domain)}
    queues |= {f"comporta.stock.{number}": QueueState(number, 2, NOW, NOW, NOW) for number in (1, 2)}
    beat = Beat(DOMAIN_NAMES, NOW, NOW)
    judged = judge_consumption(NOW, [beat], queues, {}, {}).domains
    assert [(judged[name].state, judged[name].ready) for name in ("stock", "prices")] == [("ok", 3), ("ok", 0)]
    queues["comporta.stock.2"] = QueueState(2, 0, NOW, None, NOW)
    assert judge_consumption(NOW, [beat], queues, {}, {}).domains["stock"].consumers == 0


def test_what_was_a_partition_is_left_over_also_while_the_database_is_away() -> None:
    class Known:
        is_away = False

        def names(self) -> list[str]:
            if self.is_away:
                raise Unavailable("away")
            return ["comporta.stock", "comporta.stock.1", "comporta.stock.3", "comporta.prices.1", "comporta.dead"]

    known = Known()
    every = LeftOver(known, parse_partitions("stock=2"))
    stock = LeftOver(known, parse_partitions("stock=2"), ["stock"])
    assert (every(), stock()) == (("comporta.prices.1", "comporta.stock.3"), ("comporta.stock.3",))
    known.is_away = True
    assert stock() == ("comporta.stock.3",)


def test_the_publisher_names_the_key_in_a_header() -> None:
    def header(**data: str) -> object:
        outgoing = outgoing_text("north", sample_event("stock", **data)).outgoing
        assert outgoing is not None
        assert outgoing.headers is not None
        return outgoing.headers[KEY_HEADER]

    first = header(product_code="P1", branch="1", warehouse="A")
    assert first == header(product_code="P1", branch="1", warehouse="A", on_hand="7")
    assert first != header(product_code="P2", branch="1", warehouse="A")
    assert str(first).startswith("north/P1/1/A")
