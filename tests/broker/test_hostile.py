"""Whatever is published is quarantined with its reason, alone; it stops nobody, fills nothing and is never logged."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import MutableMapping
from decimal import Decimal
from typing import Any

import psutil
import pytest

from tests.support.event_samples import sample_event
from tests.support.pipeline import Pipeline, stock_event
from tests.support.wait import wait_until

MARK = "SECRET-MARK"
MARKED = stock_event(1, unit=MARK)
# 64 MB each when unpacked.
BZIP2_BOMB, ZLIB_BOMB = bz2.compress(b" " * 1_000_000) * 64, zlib.compress(b" " * 64_000_000, level=1)

HOSTILE: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "cut off": (MARKED[:-1], {}, "malformed_json"),
    "nothing": (b"", {}, "malformed_json"),
    "only a byte that is no UTF-8": (b"\xff", {}, "malformed_json"),
    "no UTF-8": (MARKED.replace(b"P1", b"P\xff"), {}, "malformed_json"),
    "a byte order mark": (b"\xef\xbb\xbf" + MARKED, {}, "malformed_json"),
    "NaN": (MARKED.replace(b'"1"', b"NaN"), {}, "malformed_json"),
    "very deep": (b"[" * 100_000, {}, "malformed_json"),
    "10 MB": (b" " * 10_000_000, {}, "too_large"),
    "one key twice": (MARKED.replace(b'"unit"', b'"branch":"2","unit"'), {}, "duplicate_key"),
    "NUL": (stock_event(1, unit=MARK + "\0"), {}, "nul_character"),
    "a huge exponent": (stock_event(1, on_hand="1E+999999"), {}, "number_range"),
    "a number": (b"5", {}, "not_an_event"),
    "a control message": (b'{"reason":"x","shop":"*"}', {}, "not_an_event"),
    "a bzip2 bomb": (BZIP2_BOMB, {"headers": {"compression": "application/x-bz2"}}, "compressed"),
    "a zlib bomb": (ZLIB_BOMB, {"headers": {"compression": "application/x-gzip"}}, "compressed"),
    "gzip without a word": (gzip.compress(MARKED), {}, "compressed"),
    "UTF-16": (MARKED.decode().encode("utf-16"), {}, "malformed_json"),
    "data in base64": (MARKED.replace(b'"data"', b'"data_base64"'), {}, "data_base64"),
    "gzip by its encoding": (gzip.compress(MARKED), {"content_encoding": "gzip"}, "content_encoding"),
    "an encoding that is none": (MARKED, {"content_encoding": "ebcdic\r\n"}, "content_encoding"),
    "pickle": (MARKED, {"content_type": "application/x-python-serialize"}, "content_type"),
    "text": (MARKED, {"content_type": "text/plain"}, "content_type"),
    "a shop in capitals": (MARKED, {"key": "MAIN.stock"}, "routing_key"),
    "straight to the queue": (MARKED, {"key": "comporta.stock", "exchange": ""}, "routing_key"),
}
# What py-amqp can put into a table; kombu's embedded broker keeps only what JSON can say.
ODD_HEADERS: dict[str, Any] = {
    "": "a name without letters",
    "compressiоn": "a Cyrillic letter in it",
    "nothing": None,
    "yes": True,
    "long": 2**62,
    "double": 1e308,
    "table": {"in": {"a": {"table": [1, None, {"x": [[]]}]}}},
    "list": [[], {}, "x" * 10_000],
    "nul\0": "\0",
    "x-death": "not a list",
    "x-first-death-queue": {"not": "text"},
    "ce-type": "\x1b[2J",
    "ce-specversion": [1],
    "compression": "application/x-none",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_is_quarantined_alone(
    pipeline: Pipeline, logs: list[MutableMapping[str, Any]], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    body, properties, reason = HOSTILE[name]
    pipeline.publish(stock_event(1, "before"))
    pipeline.publish(body, **properties)
    pipeline.publish(stock_event(1, "after"))
    with pipeline.stepped_worker("stock") as worker:
        worker.drain(3)
    [row] = pipeline.quarantined()
    assert (row["reason"], bytes(row["body"])) == (reason, body)
    assert len(row["sentence"]) < 200
    assert pipeline.product_codes() == {"before", "after"}
    assert pipeline.outcomes() == {"applied": 2, "quarantined": 1}
    assert pipeline.queue_depths() == {}
    [said] = [entry for entry in logs if entry["event"] == "quarantined"]
    assert said == {"event": "quarantined", "log_level": "warning", "reason": reason, "size": len(body)} | {
        "shop": row["shop"],
        "domain": "stock",
    }
    assert MARK not in str(logs) + "".join(capfd.readouterr())


def test_headers_of_any_kind_change_nothing_and_are_kept(pipeline: Pipeline) -> None:
    headers = dict(ODD_HEADERS)
    if not pipeline.url.startswith("memory:"):
        headers |= {"decimal": Decimal("1.5"), "bytes": b"\xff\x00"}
    pipeline.publish(stock_event(1), headers=headers)
    pipeline.publish(b"?", headers=headers)
    with pipeline.stepped_worker("stock") as worker:
        worker.drain(2)
    assert pipeline.outcomes() == {"applied": 1, "quarantined": 1}
    [row] = pipeline.quarantined()
    assert row["headers"]["yes"] is True
    assert row["headers"].keys() >= {"long", "table", "list"}


def test_properties_of_any_kind_change_nothing(pipeline: Pipeline) -> None:
    pipeline.publish(
        stock_event(1),
        message_id="m" * 255,
        correlation_id="\x1b[2J",
        reply_to="nobody",
        priority=9,
        type="?",
        app_id="\u2028",
        timestamp=2**40,
    )
    with pipeline.stepped_worker("stock") as worker:
        worker.drain(1)
    assert pipeline.outcomes() == {"applied": 1}


def test_a_flood_of_large_messages_leaves_the_memory_as_it_was(rabbitmq_pipeline: Pipeline) -> None:
    process, bodies = psutil.Process(), (b"[" + b" " * 900_000, b" " * 3_000_000)
    sizes = []
    with rabbitmq_pipeline.stepped_worker("stock", batch_size=1000, prefetch=1000) as worker:
        for _ in range(5):
            for _ in range(10):
                rabbitmq_pipeline.publish(*bodies)
            worker.drain(20)
            sizes.append(process.memory_info().rss)
    # The first round has met every cache and pool; four times as much again may not add to it.
    assert max(sizes) - sizes[0] < 40_000_000
    assert rabbitmq_pipeline.outcomes() == {"quarantined": 100}


def test_a_refused_document_is_nowhere_in_the_logs(pipeline: Pipeline, logs: list[MutableMapping[str, Any]]) -> None:
    pipeline.publish(sample_event("customers", document="52998224726"), key="main.customers")
    with pipeline.stepped_worker() as worker:
        worker.drain(1)
    [row] = pipeline.quarantined()
    assert (row["reason"], row["pointer"]) == ("cpf_check_digit", "/data/document")
    assert "52998224726" not in row["sentence"] + str(logs)
    wait_until(lambda: pipeline.queue_depths() == {}, what="the queues to be empty")
