"""Benchmark without real transactions: rows made of the sample invoices, the same every time, and valid events."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from bench import events
from bench.invoices import invoice_rows, written_transactions
from comporta.simulator.retail import retail_events, retail_orders
from schemas.events import parse_event
from schemas.orders import PLACED, parse_order
from tests.support.order_events import order_event


@pytest.fixture(autouse=True)
def _no_transactions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(events.SETTING, raising=False)
    monkeypatch.setattr(events, "_DEFAULT_PATH", tmp_path / "absent.csv.xz")
    monkeypatch.setattr(events, "_MADE_PATH", tmp_path / "build" / "invoices.csv")


def test_the_rows_are_the_same_every_time_and_have_thousands_of_keys() -> None:
    rows = list(invoice_rows(20_000))
    assert rows == list(invoice_rows(20_000))
    assert len({row[1] for row in rows}) > 3_000
    # An invoice's rows stand together.
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_its_events_and_orders_are_valid(tmp_path: Path) -> None:
    path = written_transactions(tmp_path / "some.csv", 3_000)
    made = list(retail_events(path, shops=2, spread="invoice"))
    assert {event.domain for event in made} == {"products", "price_tables", "prices", "stock", "customers"}
    for event in made:
        assert parse_event(event.domain, "main", event.body).version
    orders = list(retail_orders(path))
    assert len(orders) > 300
    for order in orders:
        assert parse_order("main", order_event(PLACED, order)).order_id == order["order_id"]


def test_without_a_file_the_measurement_makes_one_once_and_the_table_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(events, "written_transactions", lambda path: written_transactions(path, 500))
    path = events.require_data()
    before = path.stat().st_mtime_ns
    assert events.require_data().stat().st_mtime_ns == before
    assert list(path.parent.iterdir()) == [path]
    assert len(list(islice(events.real_events(400), 400))) == 400
    assert (events.is_made(), "nfelib" in events.source()) == (True, True)


def test_a_file_that_is_named_and_absent_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(events.SETTING, str(tmp_path / "nowhere.csv"))
    with pytest.raises(events.DataMissing, match=r"nowhere\.csv"):
        events.require_data()
