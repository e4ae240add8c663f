"""`comporta simulate` against a real broker."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
from amqp.exceptions import NotFound
from typer.testing import CliRunner

from broker.connection import open_connection
from comporta.cli.main import app
from schemas.domains import DOMAINS, ORDERS
from schemas.orders import parse_order
from schemas.topology import event_queue
from tests.support.programs import Programs
from tests.support.wait import wait_until

FAULTLESS = ("--duplicates", "0", "--reordered", "0", "--late", "0", "--bad", "0", "--deletes", "0")


def bodies(url: str, domains: Iterable[str] = DOMAINS) -> list[bytes]:
    """What lies in the queues of these domains, which are empty afterwards."""
    found = []
    with open_connection(url, name="test") as connection, connection.channel() as channel:
        for domain in domains:
            while (message := channel.basic_get(event_queue(domain), no_ack=True)) is not None:
                found.append(message.body if isinstance(message.body, bytes) else message.body.encode())
    return found


def waiting(url: str, domain: str) -> int:
    """How many messages of a domain wait; 0 while there is no queue."""
    with open_connection(url, name="test") as connection, connection.channel() as channel:
        try:
            return int(channel.queue_declare(event_queue(domain), passive=True).message_count)
        except NotFound:
            return 0


def test_what_it_says_is_confirmed_is_in_the_broker_and_a_seed_gives_it_again(
    programs: Programs, broker_url: str
) -> None:
    arguments = ("simulate", "--seed", "5", "--rate", "5000", "--count", "900", "--json")
    first = programs.run(*arguments, BROKER_URL=broker_url)
    assert first.code == 0
    said = first.json
    assert (said["published"], said["confirmed"], said["unknown"]) == (900, 900, 0)
    once = bodies(broker_url)
    assert len(once) == 900
    programs.run(*arguments, BROKER_URL=broker_url)
    assert bodies(broker_url) == once


def test_ctrl_c_ends_it_with_every_message_accounted_for(programs: Programs, broker_url: str) -> None:
    erp = programs.start("simulate", "--rate", "2000", "--shop", "loja", BROKER_URL=broker_url)
    wait_until(lambda: waiting(broker_url, "stock") > 500, what="stock events in the queue")
    assert erp.stop(signal.SIGINT) == 0
    number = len(bodies(broker_url))
    assert f"{number:,} published = {number:,} confirmed + 0 returned" in erp.output


def test_it_ends_by_itself_and_reads_the_transactions_of_a_wholesaler(
    programs: Programs, broker_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "sales.csv"
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    path.write_text(f"{header}\n1,T1,CUP,6.0,2010-12-01 08:26:00,2.5,900.0,Portugal\n")
    done = programs.run(
        "simulate", "--source", str(path), "--seconds", "0.5", "--rate", "50", *FAULTLESS, BROKER_URL=broker_url
    )
    assert (done.code, "0 unknown" in done.out) == (0, True)
    assert {b"T1" in body or b"900" in body or b"RETAIL" in body for body in bodies(broker_url)} == {True}


def test_its_shop_places_orders_among_the_changes(programs: Programs, broker_url: str) -> None:
    arguments = ("simulate", "--orders", "2000", "--rate", "2000", "--count", "1200", *FAULTLESS, "--json")
    done = programs.run(*arguments, BROKER_URL=broker_url)
    assert (done.code, done.json["confirmed"]) == (0, 1200)
    orders = [parse_order("main", body) for body in bodies(broker_url, [ORDERS])]
    assert len(orders) > 300
    assert len({order.order_id for order in orders}) == len(orders) == 1200 - len(bodies(broker_url))


@pytest.mark.parametrize(
    ("arguments", "url", "says"),
    [
        ((), "memory://", "comporta demo"),
        (("--shop", "Loja"), "amqp://127.0.0.1:1/", "a-z"),
        (("--bad", "0.9", "--late", "0.9"), "amqp://127.0.0.1:1/", "probabilities"),
        (("--source", "nowhere.csv"), "amqp://127.0.0.1:1/", "nowhere.csv"),
    ],
)
def test_a_mistake_is_named(arguments: tuple[str, ...], url: str, says: str) -> None:
    done = CliRunner().invoke(app, ["simulate", *arguments], env={"COMPORTA_BROKER_URL": url})
    assert (done.exit_code, says in done.stderr) == (2, True)
