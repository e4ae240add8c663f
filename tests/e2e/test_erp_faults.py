"""An ERP that lets nobody in, and an order that it can't digest, as operators see them in every process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from storage.database import open_database
from storage.order_store import OrderStore
from tests.support.metrics_client import scrape
from tests.support.order_events import decoded_order, placed
from tests.support.programs import Programs
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.services.ports import HOST, free_port
from tests.support.wait import wait_until

SECRET = "hunter2-hunter2"


@pytest.fixture
def erp() -> Iterator[HttpErp]:
    with running_http_erp() as erp:
        yield erp


def test_what_the_erp_answers_is_said_everywhere_and_what_is_stuck_is_sent_again(
    programs: Programs, erp: HttpErp, broker_url: str, database_url: str
) -> None:
    port = free_port()
    settings: dict[str, Any] = {"BROKER_URL": broker_url, "DATABASE_URL": database_url, "ADMIN_PORT": port}
    access = {"ERP_URL": erp.url, "ERP_TOKEN": SECRET, "ORDER_ATTEMPTS": 2}
    database = open_database(database_url)
    orders = OrderStore(database.fence, "w0")
    erp.default, erp.always = "401", {"main/bad": "500"}
    worker = programs.worker("--domains", "orders", **settings, **access)
    # Another process, which never asks the ERP.
    admin = programs.start("admin", **settings)
    admin.wait_for("listening")
    orders.commit([decoded_order(placed(order_id)) for order_id in ("O1", "O2")])

    fault = wait_until(lambda: database.views.status().erp_faults.get("main"), what="the fault")
    assert fault.answer == "HTTP 401"
    document = httpx.get(f"http://{HOST}:{port}/api/status", headers=admin.bearer).json()
    assert document["erp_faults"]["main"]["error"] == 'HTTP 401: {"detail": "no"}'
    assert "has reached the ERP since" in (shown := programs.run("status", **settings).out)
    assert 'HTTP 401: {"detail": "no"}' in shown
    for path in ("/", "/orders"):
        page = httpx.get(f"http://{HOST}:{port}{path}", headers=admin.bearer)
        assert "HTTP 401: {&#34;detail&#34;: &#34;no&#34;}" in page.text
    assert scrape(port).value("comporta_erp_failing_seconds", shop="main", answer="HTTP 401") is not None
    doctor = programs.run("doctor", "--json", **settings, **access)
    [finding] = [found for found in doctor.json["findings"] if found["part"] == "ERP" and found["state"] == "wrong"]
    assert (doctor.code, "HTTP 401" in finding["says"]) == (1, True)
    assert "COMPORTA_ERP_TOKEN" in finding["way_out"]
    assert SECRET not in doctor.out + worker.output
    assert erp.headers["main/O1"]["Authorization"] == f"Bearer {SECRET}"

    erp.default = "take"
    orders.commit([decoded_order(placed("bad"))])
    wait_until(lambda: states(database) == {"internalized": 2, "stuck": 1}, what="each where it belongs")
    erp.always = {}
    retried = programs.run("orders", "retry", "--state", "stuck", "--json", **settings)
    assert retried.json == {"chosen": 1, "retried": 1}
    wait_until(lambda: states(database) == {"internalized": 3}, what="all to be there")
    assert [program.stop() for program in (worker, admin)] == [0, 0]
    database.close()


def states(database: Any) -> dict[str, int]:
    return dict(database.views.status().orders.get("main", {}))
