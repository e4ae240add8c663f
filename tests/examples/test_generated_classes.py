"""Classes that code generators make of the schemas: an event that they write is published, and its row is there."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from tests.support.example_deployment import ExampleDeployment
from tests.support.example_programs import run_command
from tests.support.generated_classes import GENERATORS, WRITERS, runnable_writers
from tests.support.node import install_packages


@pytest.mark.slow
@pytest.mark.usefixtures("node_modules")
@pytest.mark.parametrize("language", runnable_writers())
def test_what_a_generated_class_writes_is_published_and_applied(
    language: str, deployment: ExampleDeployment, tmp_path: Path
) -> None:
    client, write, _ = WRITERS[language]
    assert not client.example.missing
    install_packages(GENERATORS)
    sequence = deployment.next_sequence()
    moment = "2026-11-23T07:22:51-03:00"
    key = {"product_code": "7891000", "branch": "1", "warehouse": "MATRIZ"}
    event = {
        "specversion": "1.0",
        "id": f"generated-{sequence}",
        "source": "/erp/example/1",
        "type": "erp.stock.changed.v1",
        "time": moment,
        "sequence": "0",
        "data": {**key, "on_hand": "12.500", "unit": "UN", "as_of": moment},
    }
    written = write(orjson.dumps(event).decode(), sequence, tmp_path)
    assert orjson.loads(written) == {**event, "sequence": str(sequence)}
    lines = tmp_path / "events.tsv"
    lines.write_text(f"stock\t{event['id']}\t{written}\n", encoding="utf-8")
    (tmp_path / "client").mkdir()
    done = run_command([*client.built(tmp_path / "client"), deployment.broker_url, str(lines)])
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "confirmed: 1\n")
    row = deployment.wait_stock(sequence)
    assert (row["shop"], row["event_id"], Decimal(row["on_hand"])) == ("main", event["id"], Decimal("12.5"))
