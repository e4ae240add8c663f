"""The clients of all languages behave alike: confirms, batches, refusals, and the same id after a lost connection."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from broker.connection import open_connection
from broker.declare import declare
from schemas.events import parse_event
from schemas.topology import EVENTS, event_queue
from tests.support.example_clients import NODE_CLIENT, Client, runnable_clients
from tests.support.example_programs import FOLDER, run_command
from tests.support.services.broker import Broker, open_channel
from tests.support.services.lossy_proxy import LossyProxy
from tests.support.wait import wait_until

Command = tuple[str, ...]
QUEUE = event_queue("stock")
# More than two windows of unconfirmed events.
MANY = 1_100


@pytest.fixture(scope="module", params=runnable_clients(), ids=lambda client: client.name)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command of a client, compiled."""
    client: Client = request.param
    assert not client.example.missing, f"{', '.join(client.example.missing)} not installed: run `make services`"
    if client == NODE_CLIENT:
        request.getfixturevalue("node_modules")
    return client.built(tmp_path_factory.mktemp(client.name))


@pytest.fixture
def waiting_url(broker_url: str) -> str:
    """A broker on which Comporta has run before: events wait in its queues."""
    with open_connection(broker_url, name="test") as connection:
        declare(connection)
    return broker_url


def body_of(number: int) -> str:
    moment = "2026-11-23T07:22:51-03:00"
    key = {"product_code": f"P{number}", "branch": "1", "warehouse": "MAIN"}
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"stock-{number}",
            "source": "/erp/example/1",
            "type": "erp.stock.changed.v1",
            "time": moment,
            "sequence": str(number),
            "data": {**key, "on_hand": "12.000", "unit": "UN", "as_of": moment},
        }
    )


def events_file(folder: Path, count: int) -> Path:
    """Write events as the clients read them."""
    path = folder / "events.tsv"
    lines = (f"stock\tstock-{number}\t{body_of(number)}\n" for number in range(1, count + 1))
    path.write_text("".join(lines), encoding="utf-8")
    return path


def received(url: str) -> list[tuple[str, str]]:
    """Take every message of the queue: its id and its body."""
    found = []
    with open_channel(url) as channel:
        while True:
            _, properties, body = channel.basic_get(QUEUE, auto_ack=True)
            if body is None:
                return found
            assert (properties.content_type, properties.delivery_mode) == ("application/cloudevents+json", 2)
            found.append((properties.message_id, body.decode()))


def test_a_batch_of_many_events_is_confirmed_and_arrives_in_order(
    client: Command, waiting_url: str, tmp_path: Path
) -> None:
    done = run_command([*client, waiting_url, str(events_file(tmp_path, MANY))])
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"confirmed: {MANY}\n")
    assert received(waiting_url) == [(f"stock-{number}", body_of(number)) for number in range(1, MANY + 1)]
    assert run_command([*client]).returncode == 2


def test_what_the_broker_does_not_take_is_named_with_its_reason_and_not_sent_again(
    client: Command, broker_url: str, tmp_path: Path
) -> None:
    path = str(events_file(tmp_path, 2))

    def reasons() -> list[str]:
        done = run_command([*client, broker_url, path])
        assert (done.returncode, done.stdout) == (1, "confirmed: 0\n"), done.stderr
        lines = done.stderr.splitlines()
        starts = [f"NOT confirmed: stock-{number}: " for number in (1, 2)]
        assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True)), done.stderr
        return [line.split(": ")[2] for line in lines]

    # Without Comporta's exchange, then without a queue behind it, then with one that is full.
    assert reasons() == ["refused"] * 2
    with open_channel(broker_url) as channel:
        channel.exchange_declare(EVENTS, "topic", durable=True)
        assert reasons() == ["returned"] * 2
        full = {"x-max-length": 0, "x-overflow": "reject-publish"}
        channel.queue_declare("full", durable=True, arguments=full)
        channel.queue_bind("full", EVENTS, "main.stock")
        assert reasons() == ["nacked"] * 2


def test_after_a_lost_connection_what_is_unconfirmed_is_sent_again_the_same_to_the_letter(
    client: Command, rabbitmq: Broker, waiting_url: str, tmp_path: Path
) -> None:
    path = events_file(tmp_path, MANY)
    with LossyProxy(rabbitmq.port, b'"stock-700"') as proxy:
        running = proxy.start([*client, proxy.through(waiting_url), str(path)])
        wait_until(lambda: rabbitmq.queue_depth(waiting_url, QUEUE) >= 700, what="the first events")
        proxy.cut()
        out, err = running.communicate(timeout=60)
    assert (running.returncode, err, out) == (0, "", f"confirmed: {MANY}\n")
    messages = received(waiting_url)
    assert len(messages) > MANY
    assert dict(messages) == {f"stock-{number}": body_of(number) for number in range(1, MANY + 1)}
    assert set(messages) == set(dict(messages).items())


def test_the_readme_names_every_client_and_its_command_line_is_right(waiting_url: str, tmp_path: Path) -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    files = set(re.findall(r"\]\((\w+/\w*[cC]lient\.\w+)\)", text))
    assert files == {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*lient.*")}
    [commands] = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    script = commands.replace("amqp://guest:guest@127.0.0.1:5672/", waiting_url).replace(
        "python ", f"{sys.executable} "
    )
    script = script.replace("events.tsv", str(tmp_path / "events.tsv")).replace("examples/", f"{FOLDER}/")
    done = run_command(["sh", "-c", script])
    assert (done.returncode, done.stdout) == (0, "confirmed: 1\n"), done.stderr
    [(_, body)] = received(waiting_url)
    assert parse_event("stock", "main", body.encode()).key
