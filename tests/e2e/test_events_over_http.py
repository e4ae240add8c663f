"""`POST /events`, as programs use it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.support.programs import Program, Programs, is_answering, running_programs
from tests.support.services.broker import Broker
from tests.support.services.ports import free_port
from tests.support.stock_lines import BAD_LINE, GOOD_LINES, stock_line
from tests.support.wait import wait_until

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Programs that end with this module."""
    with running_programs(tmp_path_factory.mktemp("events")) as programs:
        yield programs


@pytest.fixture(scope="module")
def client(programs: Programs) -> Iterator[httpx.Client]:
    """What asks the embedded Comporta of this module."""
    port = free_port()
    program = programs.start("run", ADMIN_PORT=port)
    address = f"http://127.0.0.1:{port}"
    wait_until(lambda: is_answering(f"{address}/healthz"), what="the API to answer")
    with httpx.Client(base_url=address, headers=program.bearer) as client:
        yield client


def post(client: httpx.Client, body: bytes, content_type: str, **headers: str) -> httpx.Response:
    shop = headers.pop("shop", "main")
    dry = {"dry_run": headers.pop("dry_run")} if "dry_run" in headers else {}
    named = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.post("/events", content=body, headers=named, params={"shop": shop, **dry})


def batch(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


@pytest.mark.parametrize(
    ("body", "content_type", "accepted"),
    [
        (GOOD_LINES[0], STRUCTURED, 1),
        (GOOD_LINES[0], "application/json; charset=utf-8", 1),
        (batch(*GOOD_LINES), BATCH, 5),
        (batch(), BATCH, 0),
    ],
)
def test_events_over_http_are_accepted_once_confirmed(
    client: httpx.Client, body: bytes, content_type: str, accepted: int
) -> None:
    answer = post(client, body, content_type)
    assert (answer.status_code, answer.json()) == (202, {"accepted": accepted})


def test_an_event_in_binary_mode_is_accepted(client: httpx.Client) -> None:
    data = json.dumps(json.loads(stock_line(9))["data"]).encode()
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": "caf%C3%A9%209",
        "ce_source": "/erp",
        "ce_type": "erp.stock.changed.v1",
        "ce_sequence": "9",
    }
    assert post(client, data, "application/json", **attributes).json() == {"accepted": 1}
    wrong = post(client, data, "application/json", **{**attributes, "ce_type": "erp.ghost.changed.v1"})
    assert [(each["index"], each["reason"]) for each in wrong.json()["errors"]] == [(0, "unknown_type")]


def test_one_bad_event_keeps_the_whole_request_out(client: httpx.Client) -> None:
    answer = post(client, batch(GOOD_LINES[0], BAD_LINE, b"5", GOOD_LINES[1]), BATCH, shop="all-or-nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    problem = answer.json()
    assert problem["detail"] == "2 of 4 events are refused; nothing was published"
    assert [(each["index"], each["reason"], each["pointer"]) for each in problem["errors"]] == [
        (1, "number_not_string", "/data/on_hand"),
        (2, "not_an_event", ""),
    ]
    foreseen = post(client, batch(GOOD_LINES[0]), BATCH, shop="all-or-nothing", dry_run="1").json()
    assert foreseen == {"events": [{"index": 0, "outcome": "applied", "warnings": []}]}


@pytest.mark.parametrize(
    ("body", "content_type", "code", "reason"),
    [
        (b"{", STRUCTURED, 400, "malformed_json"),
        (b"{}", BATCH, 400, "batch_format"),
        (b"[", BATCH, 400, "malformed_json"),
        (GOOD_LINES[0], "text/plain", 415, "content_type"),
        (GOOD_LINES[0], "", 415, "content_type"),
        (b" " * 2_000_000, STRUCTURED, 400, "too_large"),
        (gzip.compress(GOOD_LINES[0], mtime=0), STRUCTURED, 415, "compressed"),
        (GOOD_LINES[0].replace(b'"data"', b'"data_base64"'), STRUCTURED, 400, "data_base64"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused(
    client: httpx.Client, body: bytes, content_type: str, code: int, reason: str
) -> None:
    answer = post(client, body, content_type)
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (code, reason)


def test_an_encoded_body_is_refused_by_its_encoding(client: httpx.Client) -> None:
    headers = {"content-type": STRUCTURED, "content-encoding": "gzip"}
    answer = client.post("/events", content=gzip.compress(GOOD_LINES[0]), headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (415, "content_encoding")


def test_a_shop_that_is_none_is_refused(client: httpx.Client) -> None:
    answer = post(client, GOOD_LINES[0], STRUCTURED, shop="MAIN")
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (400, "routing_key")


def test_a_request_of_more_than_eight_megabytes_is_refused(client: httpx.Client) -> None:
    assert post(client, b" " * (8 * 1024 * 1024 + 1), BATCH).status_code == 413


def test_a_dry_run_says_what_would_become_of_each_event(client: httpx.Client) -> None:
    twice = batch(GOOD_LINES[0], GOOD_LINES[0], BAD_LINE)
    answer = post(client, twice, BATCH, shop="dry", dry_run="1")
    assert [each["outcome"] for each in answer.json()["events"]] == ["applied", "superseded", "quarantined"]
    assert answer.json()["events"][2]["reason"] == "number_not_string"


def test_while_the_broker_is_away_requests_are_asked_to_come_again(
    programs: Programs, sqlite_url: str, rabbitmq: Broker
) -> None:
    port, nowhere = free_port(), f"amqp://127.0.0.1:{free_port()}/"
    program: Program = programs.start("run", BROKER_URL=nowhere, DATABASE_URL=sqlite_url, ADMIN_PORT=port)
    wait_until(lambda: is_answering(f"http://127.0.0.1:{port}/healthz"), what="the API to answer")
    answer = httpx.post(
        f"http://127.0.0.1:{port}/events",
        content=GOOD_LINES[0],
        headers={"content-type": STRUCTURED, **program.bearer},
        timeout=30,
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["errors"][0]["reason"] == "unconfirmed"
    assert program.stop() == 0
