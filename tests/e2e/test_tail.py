"""`comporta tail` beside several workers, beside the demo, and without a database."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from comporta.cli.main import app
from tests.support.database_queries import DatabaseQueries
from tests.support.event_generator import EventGenerator, EventPublisher
from tests.support.programs import Program, Programs
from tests.support.services.ports import free_port
from tests.support.wait import wait_until


def watches(tail: Program) -> None:
    wait_until(lambda: "watching" in tail.output or not tail.alive, what="the watcher to be there")


def lines(tail: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tail.output.splitlines() if line.startswith("{") and line.endswith("}")]


def test_what_two_workers_commit_is_shown_once_each(programs: Programs, broker_url: str, database_url: str) -> None:
    real = {"BROKER_URL": broker_url, "DATABASE_URL": database_url}
    everything = programs.start("tail", "--json", **real)
    some = programs.start("tail", "--shop", "a", "--domain", "stock", "--outcome", "applied", **real)
    workers = programs.worker(processes=2, **real)
    watches(everything)
    watches(some)
    generator = EventGenerator("a", "b", domains=("stock", "products"), keys=50)
    with EventPublisher(broker_url) as publisher:
        publisher.publish(generator.next_events(3000))
    shown = wait_until(lambda: found if len(found := lines(everything)) >= 3000 else [], what="all lines")
    queries = DatabaseQueries(database_url)
    assert len(shown) == 3000
    assert len({(line["shop"], line["domain"], line["version"]) for line in shown}) == 3000
    assert Counter(line["outcome"] for line in shown) == queries.outcomes("a") + queries.outcomes("b")
    applied = queries.outcomes("a", "stock")["applied"]
    wait_until(lambda: some.output.count(" applied\n") == applied, what="the applied ones of one shop")
    assert re.search(r"^[0-9:.]{12} a +stock +p[0-9]+/1/A +[0-9]+ applied$", some.output, re.MULTILINE)
    assert " b " not in some.output
    assert [tail.stop(signal.SIGINT) for tail in (everything, some)] == [0, 0]
    assert queries.rows("SELECT (SELECT count(*) FROM outcomes), (SELECT count(*) FROM watchers)") == [(0, 0)]
    assert workers.stop() == 0


def test_the_demo_says_how_it_is_watched(programs: Programs) -> None:
    demo = programs.start("demo", "--port", str(free_port()))
    url = wait_until(lambda: re.search(r"DATABASE_URL=(\S+) ", demo.output), what="the command")[1]
    tail = programs.start("tail", "--outcome", "quarantined", DATABASE_URL=url)
    wait_until(lambda: re.search(r" main +\w+ +\? +quarantined [a-z_]+ ", tail.output), what="a bad event")
    assert tail.stop(signal.SIGINT) == 0
    assert demo.stop(signal.SIGINT) == 0


def test_it_ends_by_itself(programs: Programs, sqlite_url: str) -> None:
    done = programs.run("tail", "--seconds", "0.5", "--json", DATABASE_URL=sqlite_url)
    assert (done.code, done.out) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 1, "comporta run"),
        (("--domain", "nothing"), 2, "price_tables"),
        (("--outcome", "lost"), 2, "superseded"),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing_behind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, says: str
) -> None:
    nowhere = tmp_path / "nowhere.db"
    done = CliRunner().invoke(app, ["tail", *arguments], env={"COMPORTA_DATABASE_URL": f"sqlite:///{nowhere}"})
    assert (done.exit_code, says in done.stderr + capfd.readouterr().err) == (code, True)
    assert not nowhere.exists()
