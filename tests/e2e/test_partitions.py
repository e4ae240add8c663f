"""COMPORTA_PARTITIONS as users run it: workers, metrics, status and doctor; and back to one queue without loss."""

from __future__ import annotations

from typing import Any

from producers.events import outgoing_text
from producers.publisher import Publisher
from schemas.partitions import partition_queue
from tests.support.database_queries import DatabaseQueries
from tests.support.event_samples import sample_event
from tests.support.metrics_client import scrape, two_free_ports
from tests.support.programs import Programs
from tests.support.services.broker import Broker, open_channel
from tests.support.services.ports import free_port
from tests.support.wait import wait_until

FOUR = [partition_queue("stock", number) for number in range(1, 5)]


def publish(url: str, numbers: range) -> None:
    """Publish stock events of one shop as the ERP does, which knows no settings of Comporta's."""
    events = [
        sample_event("stock", product_code=f"P{number}", envelope={"sequence": "1", "id": f"e{number}"})
        for number in numbers
    ]
    checked = [outgoing_text("norte", event).outgoing for event in events]
    with Publisher(url, name="test ERP") as publisher:
        results = list(publisher.publish_all(message for message in checked if message is not None))
    assert {result.fate for result in results} == {"confirmed"}


def partition_findings(programs: Programs, settings: dict[str, Any]) -> list[dict[str, Any]]:
    done = programs.run("doctor", "--json", **settings)
    return [finding for finding in done.json["findings"] if "partition" in finding["says"]]


def test_two_workers_share_partitions_and_later_ones_take_what_was_left_in_them(
    programs: Programs, rabbitmq: Broker, broker_url: str, database_url: str
) -> None:
    plain: dict[str, Any] = {"broker_url": broker_url, "database_url": database_url, "admin_port": free_port()}
    spread = {**plain, "partitions": "stock=4", "partition_by": "key"}
    port = two_free_ports()
    first = programs.worker(metrics_port=port, **spread, log_format="json")
    second = programs.worker(**spread, log_format="json")
    publish(broker_url, range(200))
    DatabaseQueries(database_url).wait_accounted("norte", 200)
    wait_until(
        lambda: [scrape(port).value("comporta_queue_consumers", queue=name) for name in FOUR] == [2.0] * 4,
        what="each partition to show two consumers",
    )
    wait_until(
        lambda: programs.run("status", "--json", **spread).json["health"]["domains"]["stock"]["consumers"] == 2,
        what="the status to count two consumers",
    )
    [finding] = partition_findings(programs, spread)
    assert (finding["state"], "stock 4" in finding["says"]) == ("ok", True)
    for program in (first, second):
        program.stop()
    # While no worker runs, half of it waits in partitions; the setting goes, and the rest waits in the one queue.
    publish(broker_url, range(200, 300))
    assert sum(rabbitmq.queue_depth(broker_url, name) for name in FOUR) == 100
    waiting = partition_findings(programs, plain)
    assert {finding["state"] for finding in waiting} == {"warning"}
    last = programs.worker(**plain, log_format="json")
    publish(broker_url, range(300, 400))
    DatabaseQueries(database_url).wait_accounted("norte", 400)
    assert DatabaseQueries(database_url).outcomes("norte") == {"applied": 400}
    with open_channel(broker_url) as channel:
        channel.queue_delete(FOUR[3])
    left = partition_findings(programs, plain)
    assert [(finding["state"], "rabbitmqctl delete_queue" in finding["says"]) for finding in left] == [("ok", True)] * 3
    last.stop()


def test_the_embedded_broker_refuses_partitions_by_name_and_the_demo_does_without(programs: Programs) -> None:
    refused = programs.run("run", partitions="stock=2")
    assert (refused.code, "COMPORTA_PARTITIONS: the embedded broker" in refused.err + refused.out) == (2, True)
    demo = programs.run("demo", "--seconds", "1", "--port", str(free_port()), partitions="stock=2")
    assert (demo.code, "Traceback" in demo.err) == (0, False)
