"""`comporta publish`, `comporta validate` and `POST /events`, as people and programs use them."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from broker.link import open_connection, release
from broker.topology import declare
from tests.e2e.events import event
from tests.e2e.programs import Program, Programs, running_programs
from tests.services.ports import free_port
from tests.services.rabbitmq import Broker
from tests.services.waiting import wait_until

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def stock(version: int, **data: Any) -> bytes:
    state = {"product_code": f"P{version}", "branch": "1", "warehouse": "A", "on_hand": "1", "unit": "UN"}
    return event("stock", {**state, "as_of": "2026-01-01T00:00:00Z", **data}, version)


GOOD = [stock(version) for version in range(1, 6)]
BAD = stock(6, on_hand=12.5)
LINES = b"\n".join([*GOOD[:3], b"", BAD, b"{", *GOOD[3:]])


@pytest.fixture
def url(rabbitmq: Broker, vhost: str) -> str:
    """A broker with the topology on it and nothing in its queue of stock."""
    connection = open_connection(vhost, name="test")
    declare(connection)
    connection.default_channel.queue_purge("comporta.stock")
    release(connection)
    return vhost


@pytest.fixture(scope="module")
def vhost(rabbitmq: Broker) -> str:
    """A virtual host that the tests of this module share."""
    return rabbitmq.new_vhost()


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Programs that end with this module."""
    with running_programs(tmp_path_factory.mktemp("publishing")) as programs:
        yield programs


@pytest.fixture(scope="module")
def port(programs: Programs) -> int:
    """Where the embedded Comporta of this module listens."""
    port = free_port()
    programs.start("run", ADMIN_PORT=port, DATABASE_URL=_database(programs))
    wait_until(lambda: _answers(port), timeout=30, what="the API to answer")
    return port


def _database(programs: Programs) -> str:
    return f"sqlite:///{programs.folder / 'embedded.db'}"


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize(
    ("name", "packed"), [("e.jsonl", bytes), ("e.jsonl.gz", gzip.compress), ("e.jsonl.xz", lzma.compress)]
)
def test_a_file_is_published_and_every_line_accounted_for(
    programs: Programs, url: str, rabbitmq: Broker, tmp_path: Path, name: str, packed: Callable[[bytes], bytes]
) -> None:
    path, rejects = tmp_path / name, tmp_path / "rejects.jsonl"
    path.write_bytes(packed(LINES))
    done = programs.run("publish", str(path), "--rejects", str(rejects), BROKER_URL=url)
    assert done.code == 1
    assert "read 7 = 5 confirmed + 2 refused + 0 returned" in done.out
    assert "line 5: number_not_string at /data/on_hand" in done.err
    found = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(each["line"], each["reason"], each["pointer"]) for each in found] == [
        (5, "number_not_string", "/data/on_hand"),
        (6, "malformed_json", ""),
    ]
    assert found[0]["text"].encode() == BAD
    assert found[0]["doc"].endswith("reasons.md#number_not_string")
    assert rabbitmq.queue_depth(url, "comporta.stock") == 5


def test_what_could_not_be_published_can_be_sent_again_alone(
    programs: Programs, url: str, rabbitmq: Broker, tmp_path: Path
) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"\n".join(GOOD))
    done = programs.run("publish", str(path), "--skip", "3", "--json", BROKER_URL=url)
    assert (done.code, json.loads(done.out)) == (
        0,
        {"read": 2, "confirmed": 2, "refused": 0, "returned": 0, "unconfirmed": 0, "skip_next_time": None},
    )
    assert rabbitmq.queue_depth(url, "comporta.stock") == 2


def test_raw_lines_go_out_as_they_are(programs: Programs, url: str, rabbitmq: Broker, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(LINES)
    done = programs.run("publish", str(path), "--raw", "--domain", "stock", BROKER_URL=url)
    assert (done.code, done.out.strip()) == (0, "read 7 = 7 confirmed + 0 refused + 0 returned")
    assert rabbitmq.queue_depth(url, "comporta.stock") == 7


def test_what_no_queue_takes_is_returned_by_name(programs: Programs, rabbitmq: Broker, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"\n".join(GOOD))
    bare = rabbitmq.new_vhost()
    connection = open_connection(bare, name="test")
    connection.default_channel.exchange_declare("erp.events", "topic", durable=True)
    release(connection)
    done = programs.run("publish", str(path), BROKER_URL=bare)
    assert (done.code, done.out.strip()) == (1, "read 5 = 0 confirmed + 0 refused + 5 returned")
    assert "line 1: unroutable: 312 NO_ROUTE: no queue is bound for main.stock" in done.err


def test_a_broker_that_is_away_stops_the_run_and_says_where_to_go_on(programs: Programs, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"\n".join(GOOD))
    nowhere = f"amqp://127.0.0.1:{free_port()}/"
    done = programs.run("publish", str(path), "--deadline", "1", BROKER_URL=nowhere)
    assert done.code == 1
    assert "read 5 = 0 confirmed + 0 refused + 0 returned + 5 unconfirmed" in done.out
    assert "Connection refused" in done.err
    assert "go on with --skip 0" in done.err


def test_ctrl_c_finishes_what_was_read_and_says_where_to_go_on(
    programs: Programs, url: str, rabbitmq: Broker, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    running = programs.start("publish", str(pipe), BROKER_URL=url)
    with pipe.open("wb", buffering=0) as writing:
        writing.write(b"\n".join([*GOOD[:2], b""]))
        wait_until(lambda: rabbitmq.queue_depth(url, "comporta.stock") == 2, timeout=30, what="two events to arrive")
        running.send(signal.SIGINT)
        assert running.wait() == 1
    assert "read 2 = 2 confirmed" in running.output
    assert "stopped at line 2; go on with --skip 2" in running.output


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (None, "e.jsonl", "can't be opened"),
        (gzip.compress(LINES * 1000)[:500], "e.jsonl.gz", "can't be read after line"),
        (b"no gzip", "e.jsonl.gz", "can't be read after line 0"),
        (b"no xz", "e.jsonl.xz", "can't be read after line 0"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    programs: Programs, url: str, tmp_path: Path, content: bytes | None, name: str, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    done = programs.run("publish", str(path), BROKER_URL=url)
    assert done.code == 1
    assert said in done.err
    assert "Traceback" not in done.err


def test_on_the_embedded_default_it_goes_through_the_running_process(
    programs: Programs, port: int, tmp_path: Path
) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(LINES)
    shop = ("--shop", "embedded", "--json")
    asked = {"ADMIN_PORT": port, "DATABASE_URL": _database(programs)}
    foreseen = json.loads(programs.run("validate", str(path), *shop, **asked).out)
    assert foreseen == {"read": 7, "refused": 2, "applied": 5}
    done = programs.run("publish", str(path), *shop, **asked)
    assert (done.code, json.loads(done.out)["confirmed"], json.loads(done.out)["refused"]) == (1, 5, 2)
    wait_until(
        lambda: json.loads(programs.run("validate", str(path), *shop, **asked).out).get("superseded") == 5,
        timeout=30,
        what="the events to be applied",
    )
    offline = programs.run("validate", str(path), *shop, "--offline")
    assert (offline.code, json.loads(offline.out)) == (1, {"read": 7, "refused": 2, "accepted": 5})


def post(port: int, body: bytes, content_type: str, **headers: str) -> httpx.Response:
    shop = headers.pop("shop", "main")
    dry = {"dry_run": headers.pop("dry_run")} if "dry_run" in headers else {}
    named = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.post(f"http://127.0.0.1:{port}/events", content=body, headers=named, params={"shop": shop, **dry})


def batch(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


@pytest.mark.parametrize(
    ("body", "content_type", "accepted"),
    [
        (GOOD[0], STRUCTURED, 1),
        (GOOD[0], "application/json; charset=utf-8", 1),
        (batch(*GOOD), BATCH, 5),
        (batch(), BATCH, 0),
    ],
)
def test_events_over_http_are_accepted_once_confirmed(port: int, body: bytes, content_type: str, accepted: int) -> None:
    answer = post(port, body, content_type)
    assert (answer.status_code, answer.json()) == (202, {"accepted": accepted})


def test_an_event_in_binary_mode_is_accepted(port: int) -> None:
    data = json.dumps(json.loads(stock(9))["data"]).encode()
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": "caf%C3%A9%209",
        "ce_source": "/erp",
        "ce_type": "erp.stock.changed.v1",
        "ce_sequence": "9",
    }
    assert post(port, data, "application/json", **attributes).json() == {"accepted": 1}
    wrong = post(port, data, "application/json", **{**attributes, "ce_type": "erp.ghost.changed.v1"})
    assert [(each["index"], each["reason"]) for each in wrong.json()["errors"]] == [(0, "unknown_type")]


def test_one_bad_event_keeps_the_whole_request_out(port: int) -> None:
    answer = post(port, batch(GOOD[0], BAD, b"5", GOOD[1]), BATCH, shop="all-or-nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    problem = answer.json()
    assert problem["detail"] == "2 of 4 events are refused; nothing was published"
    assert [(each["index"], each["reason"], each["pointer"]) for each in problem["errors"]] == [
        (1, "number_not_string", "/data/on_hand"),
        (2, "not_an_event", ""),
    ]
    foreseen = post(port, batch(GOOD[0]), BATCH, shop="all-or-nothing", dry_run="1").json()
    assert foreseen == {"events": [{"index": 0, "outcome": "applied"}]}


@pytest.mark.parametrize(
    ("body", "content_type", "code", "reason"),
    [
        (b"{", STRUCTURED, 400, "malformed_json"),
        (b"{}", BATCH, 400, "batch_format"),
        (b"[", BATCH, 400, "malformed_json"),
        (GOOD[0], "text/plain", 415, "content_type"),
        (GOOD[0], "", 415, "content_type"),
        (b" " * 2_000_000, STRUCTURED, 400, "too_large"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused(
    port: int, body: bytes, content_type: str, code: int, reason: str
) -> None:
    answer = post(port, body, content_type)
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (code, reason)


def test_a_shop_that_is_none_is_refused(port: int) -> None:
    answer = post(port, GOOD[0], STRUCTURED, shop="MAIN")
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (400, "routing_key")


def test_a_request_of_more_than_eight_megabytes_is_refused(port: int) -> None:
    assert post(port, b" " * (8 * 1024 * 1024 + 1), BATCH).status_code == 413


def test_a_dry_run_says_what_would_become_of_each_event(port: int) -> None:
    twice = batch(GOOD[0], GOOD[0], BAD)
    answer = post(port, twice, BATCH, shop="dry", dry_run="1")
    assert [each["outcome"] for each in answer.json()["events"]] == ["applied", "superseded", "quarantined"]
    assert answer.json()["events"][2]["reason"] == "number_not_string"


def test_while_the_broker_is_away_requests_are_asked_to_come_again(
    programs: Programs, sqlite_url: str, rabbitmq: Broker
) -> None:
    port, nowhere = free_port(), f"amqp://127.0.0.1:{free_port()}/"
    program: Program = programs.start("run", BROKER_URL=nowhere, DATABASE_URL=sqlite_url, ADMIN_PORT=port)
    wait_until(lambda: _answers(port), timeout=30, what="the API to answer")
    answer = httpx.post(
        f"http://127.0.0.1:{port}/events", content=GOOD[0], headers={"content-type": STRUCTURED}, timeout=30
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["errors"][0]["reason"] == "unconfirmed"
    assert program.stop() == 0
