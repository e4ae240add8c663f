"""`comporta publish` and `comporta validate`, as people use them."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.connection import open_connection, release
from broker.declare import declare
from tests.support.programs import Programs, is_answering, running_programs
from tests.support.services.broker import Broker
from tests.support.services.ports import free_port
from tests.support.stock_lines import BAD_LINE, GOOD_LINES
from tests.support.wait import wait_until

LINES = b"\n".join([*GOOD_LINES[:3], b"", BAD_LINE, b"{", *GOOD_LINES[3:]])


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
    wait_until(lambda: is_answering(f"http://127.0.0.1:{port}/healthz"), what="the API to answer")
    return port


def _database(programs: Programs) -> str:
    return f"sqlite:///{programs.folder / 'embedded.db'}"


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
    assert found[0]["text"].encode() == BAD_LINE
    assert found[0]["doc"] == "/docs/reasons#number_not_string"
    assert rabbitmq.queue_depth(url, "comporta.stock") == 5


def test_a_mended_file_of_rejects_is_published_as_it_is(
    programs: Programs, url: str, rabbitmq: Broker, tmp_path: Path
) -> None:
    path, rejects = tmp_path / "e.jsonl", tmp_path / "rejects.jsonl"
    path.write_bytes(BAD_LINE + b"\n")
    programs.run("publish", str(path), "--rejects", str(rejects), BROKER_URL=url)
    kept = json.loads(rejects.read_text())
    event = json.loads(kept["text"])
    event["data"]["on_hand"] = str(event["data"]["on_hand"])
    rejects.write_text(json.dumps({**kept, "text": json.dumps(event)}) + "\n")
    done = programs.run("publish", str(rejects), "--json", BROKER_URL=url)
    assert (done.code, json.loads(done.out)["confirmed"]) == (0, 1)
    assert rabbitmq.queue_depth(url, "comporta.stock") == 1


def test_what_could_not_be_published_can_be_sent_again_alone(
    programs: Programs, url: str, rabbitmq: Broker, tmp_path: Path
) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"\n".join(GOOD_LINES))
    done = programs.run("publish", str(path), "--skip", "3", "--json", BROKER_URL=url)
    expected = {"read": 2, "confirmed": 2, "refused": 0, "returned": 0, "unconfirmed": 0, "skip_next_time": None}
    assert done.code == 0
    assert json.loads(done.out).items() >= expected.items()
    assert rabbitmq.queue_depth(url, "comporta.stock") == 2


def test_raw_lines_go_out_as_they_are(programs: Programs, url: str, rabbitmq: Broker, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(LINES)
    done = programs.run("publish", str(path), "--raw", "--domain", "stock", BROKER_URL=url)
    assert (done.code, done.out.strip()) == (0, "read 7 = 7 confirmed + 0 refused + 0 returned")
    assert rabbitmq.queue_depth(url, "comporta.stock") == 7


def test_what_no_queue_takes_is_returned_by_name(programs: Programs, rabbitmq: Broker, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"\n".join(GOOD_LINES))
    bare = rabbitmq.new_vhost()
    connection = open_connection(bare, name="test")
    connection.default_channel.exchange_declare("erp.events", "topic", durable=True)
    release(connection)
    done = programs.run("publish", str(path), BROKER_URL=bare)
    assert (done.code, done.out.strip()) == (1, "read 5 = 0 confirmed + 0 refused + 5 returned")
    assert "line 1: unroutable: 312 NO_ROUTE: no queue is bound for main.stock" in done.err


def test_a_broker_that_is_away_stops_the_run_and_says_where_to_go_on(programs: Programs, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"\n".join(GOOD_LINES))
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
        writing.write(b"\n".join([*GOOD_LINES[:2], b""]))
        wait_until(lambda: rabbitmq.queue_depth(url, "comporta.stock") == 2, what="two events to arrive")
        running.send(signal.SIGINT)
        assert running.wait() == 1
    assert "read 2 = 2 confirmed" in running.output
    assert "stopped at line 2; go on with --skip 2" in running.output


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (None, "e.jsonl", "can't be opened"),
        (gzip.compress(LINES * 1000, mtime=0)[:500], "e.jsonl.gz", "can't be read after line"),
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
    assert foreseen.items() >= {"read": 7, "refused": 2, "applied": 5}.items()
    done = programs.run("publish", str(path), *shop, **asked)
    assert (done.code, json.loads(done.out)["confirmed"], json.loads(done.out)["refused"]) == (1, 5, 2)
    wait_until(
        lambda: json.loads(programs.run("validate", str(path), *shop, **asked).out).get("superseded") == 5,
        what="the events to be applied",
    )
    offline = programs.run("validate", str(path), *shop, "--offline")
    assert offline.code == 1
    assert json.loads(offline.out).items() >= {"read": 7, "refused": 2, "accepted": 5}.items()
