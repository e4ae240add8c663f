"""`comporta doctor` and RabbitMQ's management API: policies that lack keys, users with too many rights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from broker.connection import broker_release, open_connection, release
from broker.declare import declare
from schemas.queue_policies import Release, policies, policy_definitions
from tests.support.programs import Programs, running_programs
from tests.support.services.ports import HOST, free_port
from tests.support.services.rabbitmq import RabbitMQ

PASSWORD = "hunter2"
WARNING = "warning"
Examine = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def managed() -> Iterator[RabbitMQ]:
    broker = RabbitMQ(management=True)
    broker.open()
    yield broker
    broker.close()


@pytest.fixture
def url(managed: RabbitMQ) -> str:
    """A virtual host with every queue."""
    url = managed.new_vhost()
    with open_connection(url, name="test") as connection:
        declare(connection)
    return url


@pytest.fixture
def vhost(url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix("/"))


@pytest.fixture
def server(url: str) -> Release | None:
    connection = open_connection(url, name="test")
    server = broker_release(connection)
    release(connection)
    return server


@pytest.fixture
def examine(managed: RabbitMQ, url: str, tmp_path: Path) -> Iterator[Examine]:
    """What doctor says of the broker, with the state; each way out is kept with it."""
    with running_programs(tmp_path) as programs:
        settings = {"broker_url": url, "admin_port": free_port()}

        def examined(**more: object) -> dict[str, str]:
            return _findings(programs, **({**settings, "management_url": managed.management_url} | more))

        yield examined


def _findings(programs: Programs, **settings: object) -> dict[str, str]:
    done = programs.run("doctor", "--json", **settings)
    assert (done.code, "Traceback" in done.err, PASSWORD in done.out + done.err) == (0, False, False)
    found = [finding for finding in done.json["findings"] if finding["part"] == "broker"]
    return {f"{finding['state']}: {finding['says']}": finding["way_out"] for finding in found}


def find(findings: dict[str, str], words: str) -> str:
    """The way out of the only finding with these words."""
    [way_out] = [way_out for says, way_out in findings.items() if words in says]
    return way_out


def set_policy(broker: RabbitMQ, vhost: str, name: str, definition: dict[str, object], priority: int = 0) -> None:
    pattern = next((policy["pattern"] for policy in policies() if policy["name"] == name), r"^comporta\.stock$")
    arguments = (name, pattern, json.dumps(definition), "--priority", str(priority), "--apply-to", "queues")
    broker.ctl("set_policy", "-p", vhost, *arguments)


def test_every_key_that_lacks_or_differs_is_named_with_the_command_that_mends_it(
    managed: RabbitMQ, vhost: str, server: Release | None, examine: Examine, tmp_path: Path
) -> None:
    (tmp_path / "definitions.json").write_text(json.dumps(policy_definitions(vhost, release=server)))
    managed.ctl("import_definitions", str(tmp_path / "definitions.json"))
    assert not [says for says in examine() if "policy" in says and not says.startswith("ok: ")]
    [most, dead] = policies(server)
    managed.ctl("clear_policy", "-p", vhost, dead["name"])
    lacking = {key: value for key, value in most["definition"].items() if key != "overflow"}
    set_policy(managed, vhost, most["name"], {**lacking, "delivery-limit": 7})
    set_policy(managed, vhost, "other", {"max-length": 5_000_000}, priority=9)
    findings = examine()
    mend = find(findings, "policy comporta: overflow missing; delivery-limit is 7 instead of 20")
    assert json.dumps(most["definition"]) in mend
    assert json.dumps(dead["definition"]) in find(findings, "comporta.dead: no policy is effective")
    merged = find(findings, "comporta.stock: in the effective policy other:")
    assert ('"max-length": 5000000' in merged, "--priority 9" in merged, "dead-letter-strategy" in merged) == (
        True,
    ) * 3


def test_a_user_that_may_publish_for_every_shop_is_named(managed: RabbitMQ, vhost: str, examine: Examine) -> None:
    users = {"open-erp": r"^erp\.events$", "erp-north": r"^erp\.events$", "reader": "^$", "root": ".*"}
    for name, write in users.items():
        managed.ctl("add_user", name, PASSWORD)
        managed.ctl("set_permissions", "-p", vhost, name, "^$", write, "^$")
    managed.ctl("set_topic_permissions", "-p", vhost, "erp-north", "erp.events", r"^north\.", "^$")
    managed.ctl("set_user_tags", "root", "administrator")
    findings = examine()
    assert "set_topic_permissions" in find(findings, "open-erp may publish to erp.events under every key")
    assert not [says for says in findings if "erp-north" in says or "reader" in says or "root" in says]


def test_a_login_for_monitoring_compares_the_policies_alone(
    managed: RabbitMQ, vhost: str, examine: Examine, tmp_path: Path
) -> None:
    managed.ctl("add_user", "watch", PASSWORD)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    login = {"management_user": "watch", "management_password_file": tmp_path / "password"}
    find(examine(**login), "warning: the management API")
    managed.ctl("set_user_tags", "watch", "monitoring")
    managed.ctl("set_permissions", "-p", vhost, "watch", "^$", "^$", "^$")
    managed.ctl("clear_policy", "-p", vhost, "comporta-dead")
    findings = examine(**login)
    find(findings, "ok: the rights of other users were not looked at")
    find(findings, "comporta.dead: no policy is effective")


def test_an_address_where_nothing_answers_is_named(examine: Examine) -> None:
    way_out = find(examine(management_url=f"http://ana:{PASSWORD}@{HOST}:{free_port()}"), "can't be read")
    assert "COMPORTA_MANAGEMENT_URL" in way_out


@pytest.mark.parametrize("address", ["amqp://x", f"http://a:{PASSWORD}@b@c", "http://x,y", f"http://x?{PASSWORD}", "x"])
def test_an_address_that_is_none_is_refused_without_being_repeated(tmp_path: Path, address: str) -> None:
    with running_programs(tmp_path) as programs:
        refused = programs.run("config", "validate", management_url=address)
    assert (refused.code, "COMPORTA_MANAGEMENT_URL: " in refused.err, PASSWORD in refused.err) == (2, True, False)
