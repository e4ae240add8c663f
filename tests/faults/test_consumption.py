"""Every worker is killed while events wait: page, status, readiness and metrics say so, and again that all is well."""

from __future__ import annotations

import signal
from typing import Any

import httpx

from tests.support.event_generator import EventGenerator, EventPublisher
from tests.support.metrics_client import get_health, scrape
from tests.support.programs import Programs
from tests.support.services.ports import HOST, free_port
from tests.support.wait import wait_until

EVENTS = 2_000


class Site:
    """A page in a process of its own, beside a worker that can be killed."""

    def __init__(self, programs: Programs, settings: dict[str, Any]) -> None:
        self.programs, self.settings, self.port = programs, settings, free_port()
        self.admin = programs.start("admin", **settings, admin_port=self.port, log_format="json")
        self.admin.wait_for("listening")

    @property
    def health(self) -> dict[str, Any]:
        """The health in the status document."""
        answer = httpx.get(f"http://{HOST}:{self.port}/api/status", headers=self.admin.bearer, verify=False)
        document: dict[str, Any] = answer.json()["health"]
        return document

    def page(self, language: str) -> str:
        """The words of the overview."""
        headers = {**self.admin.bearer, "accept-language": language, "accept": "text/html"}
        return httpx.get(f"http://{HOST}:{self.port}/", headers=headers, verify=False).text

    def wait_for(self, state: str) -> dict[str, Any]:
        """Wait for a state of the health."""
        return wait_until(
            lambda: health if (health := self.health)["state"] == state else None, what=f"it to be {state}"
        )


def test_killed_workers_with_events_waiting_are_said_everywhere(
    programs: Programs, broker_url: str, database_url: str
) -> None:
    settings = {"broker_url": broker_url, "database_url": database_url}
    generator = EventGenerator("main")
    site, worker_port = Site(programs, settings), free_port()
    worker = programs.worker(**settings, metrics_port=worker_port, log_format="json")
    with EventPublisher(broker_url) as publisher:
        publisher.publish(generator.next_events(10))
        site.wait_for("ok")
        changed = wait_until(lambda: site.health["domains"]["stock"]["last_change"], what="the last change")
        ready = wait_until(lambda: answer if (answer := get_health(worker_port, "readyz"))[0] == 200 else None)
        assert ready[1]["consumption"] == {"state": "ok"}
        # What a scrape says of the broker is as old as the last look, which may have been before the worker consumed.
        wait_until(
            lambda: scrape(worker_port).value("comporta_queue_consumers", queue="comporta.stock") == 1,
            what="the queue's consumer to be counted",
        )
        assert programs.run("status", "--check", **settings).code == 0
        worker.send(signal.SIGKILL)
        worker.wait()
        publisher.publish(generator.next_events(EVENTS))

    stopped = wait_until(
        lambda: health if (health := site.health)["state"] == "stopped" and health["ready"] == EVENTS else None,
        what="it to be stopped, with everything waiting",
    )
    assert (stopped["cause"], stopped["domains"]["stock"]["ready"]) == ("no_consumer", EVENTS)
    assert stopped["since"] >= changed
    assert stopped["domains"]["stock"]["last_change"] == changed
    page = " ".join(site.page("pt-BR").split())
    assert "Ligada, mas parada" in page
    assert "nenhum processo retira mensagens há" in page
    assert "2.000 na fila" in page
    code, readiness = get_health(site.port, "readyz")
    assert (code, readiness["status"], readiness["consumption"]["state"]) == (200, "ready", "stopped")
    seen = scrape(site.port)
    assert seen.value("comporta_consumption", domain="stock", state="stopped") == 1
    assert seen.value("comporta_queue_ready", queue="comporta.stock") == EVENTS
    assert seen.value("comporta_queue_consumers", queue="comporta.stock") == 0
    assert seen.value("comporta_broker_up") == 1

    # The command says it as well when no process at all runs any more.
    assert site.admin.stop() == 0
    status = programs.run("status", "--check", **settings)
    assert (status.code, "2,000 in the queue" in status.out) == (1, True), status.out
    assert "comporta: no process has taken messages for" in status.err.replace("  ", "")

    site = Site(programs, settings)
    programs.worker(**settings)
    assert site.wait_for("ok")["ready"] == 0
    assert "mas parada" not in site.page("pt-BR")
    assert programs.run("status", "--check", **settings).code == 0
