"""`comporta compare` and `comporta digest` as people and ERPs use them."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from schemas.events import parse_event
from storage.tables import missed
from storage.views import AuditFilter
from tests.support.erp_digest import canonical, erp_digest, key_of
from tests.support.programs import CompletedCommand, Programs, running_programs
from tests.support.stock_lines import BAD_LINE, stock_line
from tests.support.storage_harness import StorageHarness

SCOPE = ("--shop", "main", "--domain", "stock")


class ComparedShop:
    """A shop's database, files of its ERP, and commands that compare them."""

    def __init__(self, programs: Programs, url: str) -> None:
        self.programs, self.url = programs, url
        self.storage = StorageHarness(url)

    def apply(self, *lines: bytes) -> None:
        """Apply events as a worker would."""
        self.storage.store.commit([parse_event("stock", "main", line) for line in lines])

    def file(self, *lines: bytes, name: str = "erp.jsonl") -> str:
        """Write the ERP's file, compressed if its name says so."""
        path = self.programs.folder / name
        text = b"\n".join(lines) + b"\n"
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return str(path)

    def run(self, *arguments: str) -> CompletedCommand:
        return self.programs.run(*arguments, DATABASE_URL=self.url)

    def missed(self) -> int:
        with self.storage.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(missed)) or 0


@pytest.fixture
def shop(sqlite_url: str, tmp_path: Path) -> Iterator[ComparedShop]:
    with running_programs(tmp_path) as programs:
        shop = ComparedShop(programs, sqlite_url)
        yield shop
        shop.storage.engine.dispose()


def data_of(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line)["data"] for line in lines]


LINES = [stock_line(version) for version in range(1, 9)]


@pytest.mark.parametrize("name", ["erp.jsonl", "erp.jsonl.gz"])
def test_what_is_equal_ends_with_0_and_nothing_to_say(shop: ComparedShop, name: str) -> None:
    shop.apply(*LINES)
    done = shop.run("compare", shop.file(*LINES, name=name), *SCOPE)
    assert (done.code, done.out.strip(), done.err) == (
        *(0, "compared 8 = 8 equal + 0 differs + 0 only here + 0 only there"),
        "",
    )


def test_the_differences_are_counted_written_and_filed(shop: ComparedShop, tmp_path: Path) -> None:
    shop.apply(*LINES[:6])
    file = shop.file(*LINES[1:5], BAD_LINE, stock_line(9, product_code="P6", on_hand="7"), *LINES[6:])
    out, rejects = tmp_path / "differences.jsonl", tmp_path / "rejects.jsonl"
    done = shop.run(
        *("compare", file, *SCOPE, "--out", str(out), "--rejects", str(rejects), "--missed", "--yes", "--json")
    )
    assert (done.code, done.json) == (
        1,
        {
            "read": 8,
            "refused": 1,
            "compared": 8,
            "equal": 4,
            "differs": 1,
            "only_here": 1,
            "only_there": 2,
            "newer_here": 0,
            "fields": {"on_hand": 1},
            "filed": 4,
            "changed_meanwhile": 0,
        },
    )
    found = {(line := json.loads(text))["key"]["product_code"]: line for text in out.read_text().splitlines()}
    assert {code: line["difference"] for code, line in found.items()} == {
        "P1": "only_here",
        "P6": "differs",
        "P7": "only_there",
        "P8": "only_there",
    }
    assert found["P6"]["fields"] == {"on_hand": {"here": "1", "there": "7"}}
    assert found["P6"]["version"] == {"here": 6, "there": 9}
    assert found["P6"]["newer"] == "there"
    assert len(rejects.read_text().splitlines()) == 1
    assert shop.missed() == 4
    [entry] = shop.storage.views.rows(AuditFilter())
    assert (entry["action"], entry["count"], entry["subject"]) == ("compare", 4, "erp.jsonl")


def test_without_confirmation_nothing_is_filed(shop: ComparedShop) -> None:
    shop.apply(*LINES[:1])
    done = shop.run("compare", shop.file(*LINES[:2]), *SCOPE, "--missed")
    assert done.code == 2
    assert "File 1 keys of main/stock as missed? There is no terminal to ask on: confirm with --yes" in done.err
    assert shop.missed() == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--shop", "mian", "--domain", "stock"), "--shop: mian is not known"),
        (("--shop", "main", "--domain", "stok"), "--domain: stok: not a domain"),
    ],
)
def test_a_mistake_is_named(shop: ComparedShop, arguments: tuple[str, ...], says: str) -> None:
    shop.apply(*LINES[:1])
    for command in (("compare", shop.file(*LINES[:1])), ("digest",)):
        done = shop.run(*command, *arguments)
        assert done.code == 2
        assert says in " ".join(done.err.replace("│", " ").split())


def test_versions_of_the_other_kind_are_refused_by_name(shop: ComparedShop) -> None:
    shop.apply(*LINES[:1])
    event = json.loads(LINES[0])
    del event["sequence"]
    event["time"] = "2026-11-23T07:22:51Z"
    done = shop.run("compare", shop.file(json.dumps(event).encode()), *SCOPE)
    assert done.code == 1
    assert "line 1: version_kind" in done.err


def test_an_erp_that_computes_the_digest_finds_the_one_key_that_differs(shop: ComparedShop) -> None:
    lines = [stock_line(version) for version in range(1, 101)]
    shop.apply(*lines[:49], stock_line(50, on_hand="2"), *lines[50:])
    data = data_of(lines)
    done = shop.run("digest", *SCOPE, "--buckets", "64", "--json")
    ours = [(bucket["count"], bucket["digest"]) for bucket in done.json["buckets"]]
    theirs = erp_digest("stock", data, 6)
    [different] = [index for index in range(64) if ours[index] != theirs[index]]
    listed = shop.run("digest", *SCOPE, "--buckets", "64", "--bucket", str(different)).out.splitlines()
    digests = {json.dumps(line["key"], separators=(",", ":")): line for line in map(json.loads, listed)}
    assert 0 < len(digests) < 10
    wrong = [
        each["product_code"]
        for each in data
        if (line := digests.get(key_of("stock", each).decode()))
        and line["digest"] != hashlib.sha256(canonical("stock", each)).hexdigest()
    ]
    assert wrong == ["P50"]
    assert shop.run("digest", *SCOPE).out.splitlines()[-1].startswith("100 entities, digest ")


def test_a_comparison_that_is_killed_while_it_files_can_be_repeated(shop: ComparedShop) -> None:
    lines = [stock_line(version) for version in range(1, 3001)]
    shop.apply(lines[0])
    command = [sys.executable, "-m", "comporta", "compare", shop.file(*lines), *SCOPE, "--missed", "--yes"]
    environment = {**os.environ, "COMPORTA_DATABASE_URL": shop.url, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        if shop.missed() > 0:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert shop.missed() > 0
    assert shop.run("compare", shop.file(*lines), *SCOPE, "--missed", "--yes").code == 1
    assert shop.missed() == 2999
    # The count of the entry that was cut off is that of the keys that it has filed.
    entries = shop.storage.views.rows(AuditFilter())
    assert entries[0]["count"] == 2999
    shop.apply(*lines)
    assert (shop.missed(), shop.run("compare", shop.file(*lines), *SCOPE).code) == (0, 0)
