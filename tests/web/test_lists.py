"""Lists over HTTP: a JSON array, links to the neighbours, and downloads of exactly the filter."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from comporta.web.export import cell, export
from schemas.reasons import Reason
from storage.errors import Unavailable
from storage.tables import missed
from storage.views import Views
from tests.support.views_harness import START, rejected_delivery
from tests.support.web_harness import WebHarness

LISTS = ("missed", "quarantine", "orders", "audit", "workers")


def a_bit_of_everything(web: WebHarness) -> None:
    web.storage.discard("P1", "P2", "P3")
    web.storage.discard("P1", shop="other")
    web.storage.accept_orders("O1", "O2", "O3", display_number="#7")
    web.storage.store.commit([rejected_delivery(b"1"), rejected_delivery(b"2", reason=Reason.GTIN_CHECK_DIGIT)])


def test_links_lead_through_all_pages_and_back_within_the_filter(web: WebHarness) -> None:
    a_bit_of_everything(web)
    first, onward = web.follow("/api/missed?shop=main&limit=2")
    assert onward is not None
    second, end = web.follow(onward)
    assert [row["key"]["product_code"] for row in first + second] == ["P1", "P2", "P3"]
    assert end is None
    _, back = web.follow(onward, "prev")
    assert back is not None
    assert web.follow(back)[0] == first


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_a_json_array_with_all_columns_of_its_csv(web: WebHarness, name: str) -> None:
    a_bit_of_everything(web)
    rows = web.get(f"/api/{name}")
    assert web.get(f"/api/{name}", format="json") is not None
    answer = web.request("GET", f"/api/{name}?format=csv")
    header = answer.text.partition("\r\n")[0].split(",")
    assert (name == "workers") == (rows == [])
    assert all(set(row) == set(header) for row in rows)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/api/missed?shop=main", 3),
        ("/api/missed?text=P1", 2),
        ("/api/missed?domain=prices", 0),
        ("/api/orders?text=o2", 1),
        ("/api/orders?text=%237", 3),
        ("/api/orders?state=sent", 0),
        ("/api/orders?older_than=3600", 0),
        ("/api/orders?older_than=0", 3),
        ("/api/orders?overdue=true", 0),
        ("/api/quarantine?reason=no_version", 1),
        ("/api/quarantine?since=2026-11-23T00:00:00%2B03:00&until=2126-01-01T00:00:00Z", 2),
        ("/api/quarantine?until=2020-01-01T00:00:00Z", 0),
        ("/api/audit?action=pause&shop=other", 1),
        ("/api/audit?by=nobody", 0),
    ],
)
def test_a_download_is_exactly_the_filter(web: WebHarness, path: str, number: int) -> None:
    a_bit_of_everything(web)
    shown = web.get(path)
    assert len(shown) == number
    assert sorted(map(str, web.get(f"{path}&format=json"))) == sorted(map(str, shown))
    answer = web.request("GET", path, headers={"accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(list(csv.reader(io.StringIO(answer.text, newline="")))) == number + 1
    assert "attachment" in answer.headers["content-disposition"]


def test_a_download_has_all_rows_whatever_the_limit_and_keeps_digits_and_times(web: WebHarness) -> None:
    row = {"domain": "stock", "shop": "main", "version": 2**63 - 1, "event_id": "=1+1", "discarded_at": START}
    web.storage.fill(missed, [{**row, "key": f'{{"product_code":"{number:05}"}}'} for number in range(2_300)])
    rows = web.csv("/api/missed", limit="5")
    assert len({row["key"] for row in rows}) == 2_300
    assert rows[0]["version"] == "9223372036854775807"
    assert rows[0]["discarded_at"] == "2026-11-23T07:00:00Z"
    assert rows[0]["event_id"] == "'=1+1"
    assert len(web.get("/api/missed", format="json")) == 2_300


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=SUM(A1)", "'=SUM(A1)"),
        ("+55 11", "'+55 11"),
        ("-x", "'-x"),
        ("@cmd", "'@cmd"),
        ("\t=1", "'\t=1"),
        ("-12.5000", "-12.5000"),
        ("-1-1", "'-1-1"),
        (-5, "-5"),
        ("a=b", "a=b"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (["a", "=b"], '["a","=b"]'),
        ({"k": "v"}, '{"k":"v"}'),
        (datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC), "2026-01-01T12:00:00.000005Z"),
    ],
)
def test_a_cell_is_nothing_that_a_spreadsheet_would_run(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_csv_quotes_what_has_to_be_and_ends_its_lines_as_rfc_4180_says(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.change("pause", reason='a "quoted",\nbroken reason', by="Zoë")
    answer = sqlite_web.request("GET", "/api/audit?format=csv")
    assert '"a ""quoted"",\nbroken reason"' in answer.content.decode()
    assert answer.text.endswith("\r\n")
    assert sqlite_web.csv("/api/audit")[0]["by"] == "Zoë"


def test_an_export_holds_only_a_chunk_of_its_rows(sqlite_web: WebHarness) -> None:
    filler = "x" * 2_000

    async def consume(response: Any) -> int:
        return sum([len(chunk) async for chunk in response.body_iterator])

    tracemalloc.start()
    rows = ({"a": filler, "b": number} for number in range(20_000))
    sent = asyncio.run(consume(export(rows, ["a", "b"], "csv", "test")))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent > 40_000_000
    assert most < 12_000_000


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/missed?after=nonsense", "after"),
        ("/api/missed?domian=stock", "domian"),
        ("/api/missed?domain=prods", "domain"),
        ("/api/missed?shop=A%20B", "shop"),
        ("/api/missed?text=%00", "text"),
        ("/api/missed?limit=0", "limit"),
        ("/api/missed?limit=10001", "limit"),
        ("/api/missed?format=xlsx", "format"),
        ("/api/orders?state=lost", "state"),
        ("/api/orders?older_than=-1", "older_than"),
        ("/api/orders?older_than=inf", "older_than"),
        ("/api/orders?older_than=nan", "older_than"),
        ("/api/orders?overdue=perhaps", "overdue"),
        ("/api/quarantine?since=yesterday", "since"),
        ("/api/quarantine?since=2026-11-23T00:00:00", "since"),
        ("/api/quarantine?reason=%27", "reason"),
        ("/api/audit?action=A", "action"),
        ("/api/status?shop=main", "shop"),
        ("/api/ledger?step=day", "step"),
        ("/api/ledger?since=2020-01-01T00:00:00Z", "since"),
        ("/api/ledger?outcome=lost", "outcome"),
        ("/api/cost?domains=prods", "domains"),
        ("/api/cost?minutes=0", "minutes"),
        ("/api/biography", "text"),
        ("/api/biography?text=%20", "text"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_named(sqlite_web: WebHarness, path: str, named: str) -> None:
    assert re.search(rf"\b{named}\b", sqlite_web.bad_request(path))


def test_a_database_that_goes_away_before_the_first_row_is_told_as_such(
    sqlite_web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Any:
        raise Unavailable("the database can't be reached: test")
        yield

    monkeypatch.setattr(Views, "every", away)
    answer = sqlite_web.request("GET", "/api/missed?format=csv")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"] == "the database can't be reached: test"
