"""A broker user without the right configure: everything works once the topology is there."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pika

from broker.connection import open_connection
from broker.declare import declare
from tests.support.database_queries import DatabaseQueries
from tests.support.event_generator import EventGenerator, EventPublisher
from tests.support.programs import Programs
from tests.support.services.broker import Broker, open_channel
from tests.support.services.ports import free_port
from tests.support.wait import wait_until

NAMES = r"^(comporta|erp|shop)\."
WRITE = rf"{NAMES}|^amq\.default$"
USER, PASSWORD = "narrow", "p@ss/word"


def test_worker_page_and_commands_need_no_right_to_configure(
    programs: Programs, rabbitmq: Broker, broker_url: str, database_url: str
) -> None:
    with open_connection(broker_url, name="test") as connection:
        declare(connection)
    vhost = unquote(urlsplit(broker_url).path.removeprefix("/"))
    rabbitmq.ctl("add_user", USER, PASSWORD)
    rabbitmq.ctl("set_permissions", "-p", vhost, USER, "^$", WRITE, NAMES)
    settings = {
        "broker_url": broker_url.replace("guest:guest@", ""),
        "broker_user": USER,
        "broker_password": PASSWORD,
        "database_url": database_url,
        "admin_port": free_port(),
        "log_format": "json",
    }
    program = programs.start("run", **settings)
    program.wait_for("broker connected", session="events")
    program.wait_for("broker connected", session="control")
    assert programs.run("simulate", "--count", "50", "--bad", "0", **settings).code == 0
    generator = EventGenerator("norte", keys=5)
    with EventPublisher(broker_url) as publisher:
        publisher.publish(generator.events_of_all_keys())
    DatabaseQueries(database_url).wait_accounted("norte", len(generator.newest))
    for action in ("pause", "resume"):
        done = programs.run(action, "--reason", "a test", "--json", **settings)
        assert (done.code, done.json["result"]) == (0, {"pause": "off", "resume": "on"}[action])
    doctor = programs.run("doctor", "--json", **settings)
    assert doctor.code == 0
    [declared] = [each for each in doctor.json["findings"] if "may not declare" in each["says"]]
    assert (declared["state"], "it need not" in declared["says"]) == ("warning", True)
    wait_until(lambda: program.alive, what="the program")
    assert not program.logged("queue can't be consumed; run `comporta doctor`")
    assert PASSWORD not in program.output + doctor.out
    rabbitmq.ctl("delete_user", USER)


def test_the_order_queues_of_named_shops_are_there_before_their_first_order(
    programs: Programs, broker_url: str, database_url: str
) -> None:
    settings = {"broker_url": broker_url, "database_url": database_url, "admin_port": free_port()}
    programs.start("run", **settings, erp_order_queues="north,south").wait_for("listening")

    def are_there() -> bool:
        with open_channel(broker_url) as channel:
            for shop in ("north", "south"):
                try:
                    channel.queue_declare(f"erp.orders.{shop}", passive=True)
                except pika.exceptions.ChannelClosedByBroker:
                    return False
        return True

    wait_until(are_there, what="the queues")
    refused = programs.run("config", "validate", **settings, erp_order_queues="North")
    assert (refused.code, "COMPORTA_ERP_ORDER_QUEUES" in refused.out + refused.err) == (2, True)
