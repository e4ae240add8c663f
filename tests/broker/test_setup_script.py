"""deploy/rabbitmq/setup.sh on a real RabbitMQ: a user with its own names alone, and the policy."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pika
import pytest

from broker.connection import open_connection, release
from broker.declare import declare
from schemas.queue_policies import policy_definitions
from tests.support.services.broker import Broker, open_channel
from tests.support.services.rabbitmq import RabbitMQ
from tests.support.services.rabbitmqctl import write_rabbitmqctl

SCRIPT = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "setup.sh"


class Setup:
    """The script, as docker-compose.yml runs it, on a virtual host of the test's."""

    def __init__(self, broker: RabbitMQ, url: str, folder: Path) -> None:
        self._url, self._password, self._folder = urlsplit(url), folder / "password", folder
        self.vhost = unquote(self._url.path.removeprefix("/"))
        write_rabbitmqctl(broker, folder)
        (folder / "definitions.json").write_text(json.dumps(policy_definitions(self.vhost)))

    def run(self, password: str) -> str:
        """Set the user up with this password, and return its broker URL."""
        self._password.write_text(password + "\n")
        environment = {
            "PATH": f"{self._folder}:{os.environ['PATH']}",
            "COMPORTA_PASSWORD_FILE": str(self._password),
            "COMPORTA_DEFINITIONS": str(self._folder / "definitions.json"),
            "COMPORTA_VHOST": self.vhost,
        }
        done = subprocess.run(["sh", SCRIPT], env=environment, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        assert password not in done.stdout + done.stderr
        address = f"{self._url.hostname}:{self._url.port}"
        return f"amqp://comporta:{quote(password, safe='')}@{address}{self._url.path}"


@pytest.fixture
def setup(rabbitmq: Broker, broker_url: str, tmp_path: Path) -> Iterator[Setup]:
    assert isinstance(rabbitmq, RabbitMQ), "the script needs rabbitmqctl"
    yield Setup(rabbitmq, broker_url, tmp_path)
    rabbitmq.ctl("delete_user", "comporta")


def test_the_script_makes_a_user_with_its_own_names_alone(rabbitmq: Broker, broker_url: str, setup: Setup) -> None:
    url = setup.run('first "p@ss\\/word$')
    connection = open_connection(url, name="test")
    assert declare(connection) == {}
    release(connection)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"), open_channel(url) as channel:
        channel.queue_declare("somebody.elses")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"), open_channel(url) as channel:
        channel.basic_publish("amq.topic", "key", b"")
    with open_channel(url) as channel:
        channel.basic_publish("", "comporta.stock", b"{}", mandatory=True)
    assert "comporta\t[]" in rabbitmq.ctl("list_users")
    assert "reject-publish" in rabbitmq.ctl("list_policies", "--vhost", setup.vhost)


def test_a_second_run_changes_the_password_alone(setup: Setup) -> None:
    first, second = setup.run("one"), setup.run("other")
    with pytest.raises(pika.exceptions.AMQPError), open_channel(first):
        pass
    with open_channel(second) as channel:
        assert channel.is_open
