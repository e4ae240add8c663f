"""The examples against a real RabbitMQ and a running Comporta."""

from __future__ import annotations

from decimal import Decimal

import pytest

from broker.connection import open_connection
from broker.declare import declare
from schemas.topology import EVENTS, event_queue
from tests.support.example_deployment import ExampleDeployment
from tests.support.example_programs import CURL, JAVA, NODE, PHP, PYTHON, Example, run_command, runnable
from tests.support.services.broker import Broker, open_channel
from tests.support.services.lossy_proxy import LossyProxy
from tests.support.wait import wait_until

# The first three must run wherever the tests do; the others where their language and its library are at hand.
AMQP = (PYTHON, NODE, *runnable(JAVA, PHP))


def named(example: Example) -> str:
    return example.name


@pytest.fixture
def waiting_url(broker_url: str) -> str:
    """A broker on which Comporta has run before: events wait in its queues."""
    with open_connection(broker_url, name="test") as connection:
        declare(connection)
    return broker_url


@pytest.mark.parametrize("example", [*AMQP, CURL], indirect=True, ids=named)
def test_a_first_event_reaches_the_table_and_sent_again_it_is_superseded(
    example: Example, deployment: ExampleDeployment
) -> None:
    target = deployment.url if example == CURL else deployment.broker_url
    sequence, superseded = deployment.next_sequence(), deployment.superseded()
    on_hand = f"{sequence}.125"
    for _ in range(2):
        done = run_command([*example.command, target, str(sequence), on_hand], COMPORTA_TOKEN=deployment.token)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"confirmed: stock-{sequence} for main.stock, sequence {sequence}\n"
        row = deployment.wait_stock(sequence)
        assert (row["shop"], row["product_code"], row["event_id"]) == ("main", "7891000", f"stock-{sequence}")
        assert Decimal(row["on_hand"]) == Decimal(on_hand)
    wait_until(lambda: deployment.superseded() == superseded + 1, what="the second delivery to be superseded")


def test_an_older_sequence_does_not_overwrite_a_newer_one(deployment: ExampleDeployment) -> None:
    older, newer, superseded = deployment.next_sequence(), deployment.next_sequence(), deployment.superseded()
    for sequence in (newer, older):
        assert run_command([*PYTHON.command, deployment.broker_url, str(sequence), str(sequence)]).returncode == 0
    wait_until(lambda: deployment.superseded() == superseded + 1, what="the older one to be superseded")
    assert Decimal(deployment.wait_stock(newer)["on_hand"]) == newer


@pytest.mark.parametrize("example", AMQP, indirect=True, ids=named)
def test_the_broker_url_may_come_from_the_environment(example: Example, waiting_url: str) -> None:
    done = run_command(example.command, COMPORTA_BROKER_URL=waiting_url)
    assert (done.returncode, done.stdout[:19]) == (0, "confirmed: stock-1 ")
    nowhere = run_command(example.command)
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert "[SEQUENCE [ON_HAND]]" in nowhere.stderr


@pytest.mark.parametrize("example", AMQP, indirect=True, ids=named)
def test_an_event_that_the_broker_does_not_take_is_a_failure_with_its_reason(example: Example, broker_url: str) -> None:
    def reason() -> str:
        done = run_command([*example.command, broker_url])
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr.removeprefix("NOT confirmed: stock-1: ").partition(":")[0]

    # Without Comporta's exchange, then without a queue behind it, then with one that is full.
    assert reason() == "refused"
    with open_channel(broker_url) as channel:
        channel.exchange_declare(EVENTS, "topic", durable=True)
        assert reason() == "returned"
        full = {"x-max-length": 0, "x-overflow": "reject-publish"}
        channel.queue_declare("full", durable=True, arguments=full)
        channel.queue_bind("full", EVENTS, "main.stock")
        assert reason() == "nacked"


@pytest.mark.parametrize("example", AMQP, indirect=True, ids=named)
def test_an_event_whose_confirm_was_lost_is_sent_again_with_the_same_id(
    example: Example, rabbitmq: Broker, waiting_url: str
) -> None:
    queue = event_queue("stock")
    with LossyProxy(rabbitmq.port, b"erp.stock.changed.v1") as proxy:
        running = proxy.start([*example.command, proxy.through(waiting_url)])
        wait_until(lambda: rabbitmq.queue_depth(waiting_url, queue) == 1, what="the first event")
        proxy.cut()
        out, _ = running.communicate(timeout=60)
    assert (running.returncode, out[:19]) == (0, "confirmed: stock-1 ")
    with open_channel(waiting_url) as channel:
        messages = [channel.basic_get(queue, auto_ack=True) for _ in range(2)]
    assert [properties.message_id for _, properties, _ in messages] == ["stock-1", "stock-1"]
    assert messages[0][2] == messages[1][2]
    assert {(properties.content_type, properties.delivery_mode) for _, properties, _ in messages} == {
        ("application/cloudevents+json", 2)
    }


def test_over_http_a_refused_event_is_a_failure_that_says_why(deployment: ExampleDeployment) -> None:
    assert not CURL.missing, "curl is not installed: run `make services`"
    done = run_command([*CURL.command, deployment.url, "1", "12,5"], COMPORTA_TOKEN=deployment.token)
    assert (done.returncode, done.stdout) == (1, "")
    assert "NOT confirmed: stock-1: " in done.stderr
    assert "number_format" in done.stderr
    assert "/data/on_hand" in done.stderr


def test_over_http_nobody_publishes_without_a_token(deployment: ExampleDeployment) -> None:
    unnamed = run_command([*CURL.command, deployment.url, "1"])
    assert (unnamed.returncode, "COMPORTA_TOKEN" in unnamed.stderr) == (1, True)
    wrong = run_command([*CURL.command, deployment.url, "1"], COMPORTA_TOKEN="comporta_wrong")
    assert (wrong.returncode, "Unauthorized" in wrong.stderr) == (1, True)
