"""A real Prometheus scrapes a page without a worker: every alert can be evaluated, and the one for the queue fires."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.alert_rules import PROMETHEUS_FOLDER, RULE_FILES, alert_rules
from tests.support.event_generator import Event, EventPublisher
from tests.support.programs import Programs
from tests.support.services.ports import HOST, free_port
from tests.support.services.processes import end, spawn
from tests.support.wait import wait_until


class Prometheus:
    """A server on a port of its own, asked over its API."""

    def __init__(self, port: int) -> None:
        self._api = f"http://{HOST}:{port}/api/v1"

    def get(self, path: str) -> Any:
        """Return the data of an answer, None while the server does not answer."""
        try:
            return httpx.get(f"{self._api}/{path}", verify=False).json()["data"]
        except (httpx.HTTPError, ValueError, KeyError):
            return None

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule as last evaluated."""
        found = self.get("rules") or {"groups": []}
        return [rule for group in found["groups"] for rule in group["rules"]]

    def firing(self) -> dict[str, list[dict[str, str]]]:
        """Return the labels of the alerts that fire, by name."""
        firing = {
            rule["name"]: [alert for alert in rule["alerts"] if alert["state"] == "firing"] for rule in self.rules()
        }
        return {name: [alert["labels"] for alert in alerts] for name, alerts in firing.items() if alerts}


@pytest.fixture
def page(programs: Programs, broker_url: str, database_url: str) -> int:
    """The port of a page without any worker, with two messages waiting."""
    with EventPublisher(broker_url) as publisher:
        publisher.publish([Event("stock", "main", "a", 1), Event("stock", "main", "a", 2)])
    port = free_port()
    settings = {"broker_url": broker_url, "database_url": database_url, "admin_port": port}
    programs.start("admin", log_format="json", **settings).wait_for("listening")
    return port


@pytest.fixture
def prometheus(tmp_path: Path, page: int) -> Iterator[Prometheus]:
    """A Prometheus with the rules of this project, which do not wait for minutes."""
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed: run `make services`"
    for name in RULE_FILES:
        rules = yaml.safe_load((PROMETHEUS_FOLDER / name).read_text())
        for rule in (rule for group in rules["groups"] for rule in group["rules"]):
            rule["for"] = "0s"
        (tmp_path / name).write_text(yaml.safe_dump(rules))
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": list(RULE_FILES),
        "scrape_configs": [{"job_name": "comporta", "static_configs": [{"targets": [f"{HOST}:{page}"]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        program,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    ]
    process = spawn(command, log=tmp_path / "prometheus.log")
    try:
        yield Prometheus(port)
    finally:
        end(process, signal.SIGTERM)


def test_every_alert_is_evaluated_and_the_one_for_an_unconsumed_queue_fires(prometheus: Prometheus) -> None:
    # Each group of rules is evaluated in its own time, and before the first scrape nothing was seen.
    firing = wait_until(
        lambda: found if {"ComportaNoConsumer", "ComportaNoWorker"} <= (found := prometheus.firing()).keys() else None,
        what="the alerts to fire",
    )
    assert [labels["queue"] for labels in firing["ComportaNoConsumer"]] == ["comporta.stock"]
    others = {"ComportaBrokerDown", "ComportaDatabaseDown", "ComportaTargetDown", "ComportaUnseen"}
    wait_until(lambda: not prometheus.firing().keys() & others, what="the others not to fire")
    wait_until(lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"}, what="every rule to be evaluated")
    rules = prometheus.rules()
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in alert_rules()}
    assert {rule["lastError"] for rule in rules if "lastError" in rule} == set()
