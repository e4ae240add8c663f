"""A limit of the system on the memory of a running process: it serves all that others ask for without reaching it."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import httpx
import pytest

from comporta.web.api.quarantine import MOST_BODY
from tests.support.crowded_deployment import MESSAGE, CrowdedDeployment, at_once
from tests.support.order_events import placed
from tests.support.programs import Programs
from tests.support.services.http_erp import running_http_erp
from tests.support.wait import wait_until

MB = 1_000_000
SIZE = 60 * MB
# Beside what it has once it runs. The four whole bodies that are read at once, or an unpacked answer of the ERP, would
# exceed it.
MORE = 220 * MB
ANSWERS = ("endless", "bomb", "nested", "garbage", "take")


def data_of(pid: int) -> int:
    """Return the data of a process, as RLIMIT_DATA counts them, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmData:")[2].split()[0]) * 1024


def test_under_a_limit_of_its_memory_everything_is_served(programs: Programs) -> None:
    with running_http_erp() as erp:
        deployment = CrowdedDeployment(
            programs, "tests.support.limited_program", ERP_URL=erp.url, ERP_TIMEOUT=2, HTTP_STREAMS=20
        )
        deployment.quarantine(SIZE)
        deployment.miss(20_000)
        pid = deployment.program.pid
        with deployment.client() as client:
            client.get("/api/status")
            limit = data_of(pid) + MORE
            resource.prlimit(pid, resource.RLIMIT_DATA, (limit, limit))

            for number, answer in enumerate(ANSWERS):
                erp.always[f"main/O{number}"] = answer
            orders = [json.loads(placed(f"O{number}")) for number in range(len(ANSWERS))]
            sent = client.post(
                "/orders", content=json.dumps(orders), headers={"content-type": "application/cloudevents-batch+json"}
            )
            assert sent.status_code == 202, sent.text

            def read(number: int) -> int:
                if number % 4 == 0:
                    return len(client.get(f"/api/quarantine/{MESSAGE}").json()["body"])
                if number % 4 == 3:
                    with client.stream("GET", "/api/events") as events:
                        return len(next(events.iter_raw()))
                path = (f"/api/quarantine/{MESSAGE}/body", "/api/missed?format=json")[number % 4 - 1]
                with client.stream("GET", path) as answer:
                    assert answer.status_code == 200
                    return sum(map(len, answer.iter_raw()))

            try:
                sizes = at_once(16, read)
            except httpx.HTTPError as error:
                pytest.fail(f"{error}; the process said: {deployment.program.output[-3_000:]}")
            assert sizes[0::4] == [MOST_BODY] * 4
            assert sizes[1::4] == [SIZE] * 4
            assert all(isinstance(size, int) and size > 20 * MB for size in sizes[2::4])
            assert all(sizes[3::4])
            wait_until(lambda: len(erp.requests) == len(ANSWERS), what="every order to be sent")
            wait_until(lambda: _state(client, f"O{ANSWERS.index('take')}") == "internalized", what="the number")
            wait_until(lambda: _attempts(client, "O0") and _attempts(client, "O1"), what="the ERP's huge answers")
            assert client.get("/healthz").status_code == 200
        assert not [line for line in deployment.program.output.splitlines() if "MemoryError" in line]


def _state(client: httpx.Client, order_id: str) -> str:
    return str(client.get(f"/api/orders/main/{order_id}").json()["state"])


def _attempts(client: httpx.Client, order_id: str) -> int:
    order = client.get(f"/api/orders/main/{order_id}").json()
    return int(order["attempts"]) if order["last_error"] or order["state"] == "internalized" else 0
