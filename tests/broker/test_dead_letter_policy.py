"""With the policy no message is lost that dies while `comporta.dead` is away."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

from broker.connection import open_connection
from broker.declare import declare
from broker.diagnostics import inspect_broker
from schemas.queue_policies import policies, policy_definitions
from schemas.topology import DEAD
from tests.support.pipeline import Pipeline, stock_event
from tests.support.services.broker import Broker, open_channel
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]
QUEUE = "comporta.stock"


def test_a_thousand_messages_that_die_while_the_dead_letter_queue_is_away_all_arrive(
    rabbitmq_pipeline: Pipeline,
) -> None:
    pipeline = rabbitmq_pipeline
    with open_channel(pipeline.url) as channel:
        channel.queue_delete(DEAD)
    pipeline.publish(*(stock_event(1, f"P{number}") for number in range(1000)))
    with open_channel(pipeline.url) as channel:
        while (method := channel.basic_get(QUEUE)[0]) is not None:
            # It dies here, and the queue that it should go to is not there.
            channel.basic_nack(method.delivery_tag, requeue=False)
    with open_connection(pipeline.url, name="test") as connection:
        declare(connection)
    wait_until(lambda: pipeline.queue_depth(DEAD) == 1000, timeout=120, what="the thousand to arrive")


def test_the_broker_takes_the_policy_of_its_release(rabbitmq: Broker, broker_url: str, tmp_path: Path) -> None:
    numbers = [int(part) for part in inspect_broker(broker_url).version.split(".")[:2]]
    vhost = unquote(urlsplit(broker_url).path.removeprefix("/"))
    definitions = policy_definitions(vhost, release=(numbers[0], numbers[1]))
    (tmp_path / "definitions.json").write_text(json.dumps(definitions))
    rabbitmq.ctl("import_definitions", str(tmp_path / "definitions.json"))
    listed = rabbitmq.ctl("list_policies", "--vhost", vhost)
    assert ("consumer-disconnected-timeout" in listed) == (numbers >= [4, 3])


def test_the_policy_is_the_same_wherever_it_is_written() -> None:
    assert json.loads((ROOT / "deploy/rabbitmq/definitions.json").read_text()) == policy_definitions(
        "/", release=(4, 3)
    )
    guide = (ROOT / "docs/operations.md").read_text()
    for policy in policies():
        assert "comporta schema --rabbitmq" in guide
        for part in (policy["name"], policy["pattern"], *policy["definition"]):
            assert part in guide, part
