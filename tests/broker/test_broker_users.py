"""Users of `comporta schema --rabbitmq --users` on a real RabbitMQ: all that each may do, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pika
import pytest
from typer.testing import CliRunner

from broker.connection import open_connection
from broker.declare import declare, declare_queues
from comporta.cli.main import app
from schemas.topology import EXCHANGES, QUEUES, orders_queue
from tests.support.services.broker import Broker

ACCESS_REFUSED = 403
PASSWORD = 'p@ss/w"ord'
OURS = {*EXCHANGES}
EVERY_QUEUE = {*QUEUES, "erp.orders.north", "erp.orders.south"}
# A name of each kind: of the topology, of a shop, of somebody else's.
NEW = {"comporta.new", "erp.new", "shop.north.new", "shop.south.new", "other.new"}
# By user: the exchanges to publish to, the queues to read, the queues to declare, the keys of the topics.
MATRIX: dict[str, tuple[set[str], set[str], set[str], set[tuple[str, str]]]] = {
    "comporta": (OURS | {""}, EVERY_QUEUE, set(), {("erp.events", "north.stock"), ("erp.events", "south.stock")}),
    "provisioner": (OURS | {""}, EVERY_QUEUE, NEW - {"other.new"}, {("erp.events", "north.stock")}),
    "erp": (
        {"erp.events"},
        {"erp.orders", "erp.resync"},
        set(),
        {("erp.events", "north.stock"), ("erp.events", "south.stock")},
    ),
    "erp-north": ({"erp.events"}, {"erp.orders.north"}, set(), {("erp.events", "north.stock")}),
    "shop-north": ({"shop.orders"}, set(), {"shop.north.new"}, {("shop.orders", "north")}),
    "operator-ana": ({"comporta.control"}, set(), set(), set()),
    "dashboard": (set(), set(), set(), set()),
}
KEYS = {
    ("erp.events", "north.stock"),
    ("erp.events", "south.stock"),
    ("shop.orders", "north"),
    ("shop.orders", "south"),
}


class Visitor:
    """User who tries things; what is refused closes the channel, and the next try opens another."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))

    def may(self, action: Callable[[Any], object]) -> bool:
        channel = self._connection.channel()
        try:
            action(channel)
            # Publishing has no answer of its own.
            channel.basic_qos(prefetch_count=1)
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == ACCESS_REFUSED:
                return False
            raise
        channel.close()
        return True

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def users(rabbitmq: Broker, broker_url: str, tmp_path: Path) -> Iterator[Callable[[str], Visitor]]:
    """The users of the matrix, made by the command."""
    with open_connection(broker_url, name="test") as connection:
        declare(connection)
        declare_queues(connection, [orders_queue("north"), orders_queue("south")])
    parts = urlsplit(broker_url)
    folder = tmp_path / "passwords"
    folder.mkdir()
    for name in MATRIX:
        (folder / name).write_text(PASSWORD + "\n")
    vhost = unquote(parts.path.removeprefix("/"))
    done = CliRunner().invoke(app, ["schema", "--rabbitmq", "--vhost", vhost, "--users", str(folder)])
    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.stdout
    (tmp_path / "definitions.json").write_text(done.stdout)
    rabbitmq.ctl("import_definitions", str(tmp_path / "definitions.json"))
    visitors = []

    def visit(name: str) -> Visitor:
        login = f"{name}:{quote(PASSWORD, safe='')}@{parts.hostname}:{parts.port}"
        visitors.append(Visitor(f"amqp://{login}{parts.path}"))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        visitor.close()
    for name in MATRIX:
        rabbitmq.ctl("delete_user", name)


def test_each_user_may_do_what_it_needs_and_nothing_else(users: Callable[[str], Visitor]) -> None:
    for name, (written, read, declared, keys) in MATRIX.items():
        visitor = users(name)
        # Under a key that the user may publish: the rights on topics come after those on the exchange.
        fitting = dict.fromkeys(OURS | {""}, "none") | dict(sorted(keys))
        found = {
            each
            for each in OURS | {""}
            if visitor.may(lambda channel, at=(each, fitting[each]): channel.basic_publish(*at, b""))
        }
        assert found == written, name
        found = {
            each for each in EVERY_QUEUE if visitor.may(lambda channel, each=each: channel.basic_get(each)) and each
        }
        assert found == read, name
        found = {each for each in NEW if visitor.may(lambda channel, each=each: channel.queue_declare(each))}
        assert found == declared, name
        for exchange, key in KEYS:
            if exchange in written and exchange in {"erp.events", "shop.orders"}:
                may = visitor.may(lambda channel, at=(exchange, key): channel.basic_publish(*at, b""))
                everything = name in {"comporta", "provisioner"}
                assert may == (everything or (exchange, key) in keys), (name, exchange, key)


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [
        ("root", "secret", "known are comporta, provisioner, erp, shop, operator, dashboard"),
        ("erp-North", "secret", "such as erp-north"),
        ("erp", "", "must hold the value alone"),
    ],
)
def test_a_user_that_is_not_known_is_refused(name: str, password: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(password)
    done = CliRunner().invoke(app, ["schema", "--rabbitmq", "--users", str(tmp_path)])
    assert (done.exit_code, says in " ".join(done.output.split())) == (2, True)


def test_the_definitions_name_no_password_and_salt_each(tmp_path: Path) -> None:
    for name in ("erp-north", "erp-south"):
        (tmp_path / name).write_text("the same\n")
    done = CliRunner().invoke(app, ["schema", "--rabbitmq", "--users", str(tmp_path)])
    hashes = [user["password_hash"] for user in json.loads(done.stdout)["users"]]
    assert len({*hashes}) == 2
