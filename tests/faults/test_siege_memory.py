"""Large answers and many readers: the memory of the process stays within bounds, whatever others ask for."""

from __future__ import annotations

import json

import httpx

from comporta.web.api.events import BATCH
from comporta.web.api.quarantine import MOST_BODY
from tests.support.crowded_deployment import LONG, MESSAGE, CrowdedDeployment, at_once
from tests.support.programs import Programs

MB = 1_000_000
SIZE = 60 * MB
READERS = 8
# Eight whole bodies would be 480 MB, and a body as text or JSON several times that.
MOST_GROWTH = 250 * MB


def test_readers_of_a_large_quarantined_body_need_little_memory(programs: Programs) -> None:
    deployment = CrowdedDeployment(programs)
    deployment.quarantine(SIZE)
    with deployment.client() as client:
        assert client.get("/api/quarantine").json()[0]["size"] == SIZE
        before = deployment.peak()

        def document(_number: int) -> int:
            found = client.get(f"/api/quarantine/{MESSAGE}").json()
            assert (found["size"], found["cut"]) == (SIZE, True)
            return len(found["body"])

        def page(_number: int) -> None:
            shown = client.get("/quarantine/message", params={"id": MESSAGE}, headers={"accept": "text/html"})
            assert shown.status_code == 200
            assert f"/api/quarantine/{MESSAGE}/body" in shown.text

        def body(_number: int) -> int:
            with client.stream("GET", f"/api/quarantine/{MESSAGE}/body") as answer:
                assert answer.headers["content-length"] == str(SIZE)
                return sum(map(len, answer.iter_raw()))

        assert at_once(READERS, document) == [MOST_BODY] * READERS
        at_once(READERS, page)
        assert at_once(READERS, body) == [SIZE] * READERS
    assert deployment.peak() - before < MOST_GROWTH


def test_a_reader_that_stops_reading_holds_little(programs: Programs) -> None:
    deployment = CrowdedDeployment(programs)
    deployment.quarantine(SIZE)
    with deployment.client() as client:
        client.get("/api/status")
        before = deployment.peak()
        opened = [
            client.send(client.build_request("GET", f"/api/quarantine/{MESSAGE}/body"), stream=True) for _ in range(8)
        ]
        assert [answer.status_code for answer in opened] == [200] * 8
        assert client.get("/healthz").status_code == 200
        assert deployment.peak() - before < MOST_GROWTH / 4
        for answer in opened:
            answer.close()


def test_exports_of_many_rows_are_streamed(programs: Programs) -> None:
    deployment = CrowdedDeployment(programs)
    deployment.miss(20_000)
    with deployment.client() as client:
        client.get("/api/status")
        before = deployment.peak()

        def export(number: int) -> int:
            with client.stream("GET", "/api/missed", params={"format": ("csv", "json")[number % 2]}) as answer:
                assert answer.status_code == 200
                return sum(len(chunk) for chunk in answer.iter_raw())

        assert all(isinstance(size, int) and size > 20_000 * len(LONG) for size in at_once(6, export))
        assert deployment.peak() - before < 100 * MB


def test_large_requests_with_events_are_taken_a_few_at_a_time(programs: Programs) -> None:
    deployment = CrowdedDeployment(programs)
    # Junk that is as expensive as JSON can be: a list of three bytes is 64 in memory.
    junk = b"[" + b"[]," * 2_600_000 + b"[]]"
    with deployment.client() as client:
        client.get("/api/status")
        before = deployment.peak()
        done = at_once(16, lambda _number: client.post("/events", content=junk, headers={"content-type": BATCH}))
        codes = [answer.status_code for answer in done if isinstance(answer, httpx.Response)]
        assert set(codes) <= {400, 503}
        assert codes.count(400) >= 2
        refused = [answer for answer in done if isinstance(answer, httpx.Response) and answer.status_code == 503]
        assert all(answer.headers["retry-after"] for answer in refused)
        few = json.dumps([{}] * 3).encode()
        assert client.post("/events", content=few, headers={"content-type": BATCH}).status_code == 400
    assert deployment.peak() - before < 700 * MB


def test_streams_beyond_the_limit_are_told_to_come_back(programs: Programs) -> None:
    deployment = CrowdedDeployment(programs, HTTP_STREAMS=3)
    with deployment.client() as client:
        opened = []
        for _ in range(3):
            answer = client.send(client.build_request("GET", "/api/events"), stream=True)
            assert answer.status_code == 200
            # The reader counts once its first event has come, and goes with its iterator.
            lines = answer.iter_raw()
            next(lines)
            opened.append((answer, lines))
        refused = client.get("/api/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        assert "COMPORTA_HTTP_STREAMS" in refused.json()["detail"]
        assert client.get("/api/status").status_code == 200
        for answer, _ in opened:
            answer.close()
