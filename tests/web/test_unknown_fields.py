"""Unknown fields, warnings and reasons as the API and the page show them."""

from __future__ import annotations

import json

import pytest

from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from storage.views import QuarantineFilter
from tests.support.event_samples import sample_event
from tests.support.page_client import PageClient
from tests.support.views_harness import change_event
from tests.support.web_harness import WebHarness

BATCH = {"content-type": "application/cloudevents-batch+json"}


def fill(web: WebHarness) -> None:
    web.storage.store.commit([change_event("stock", colour=1, on_hand_qty=2), change_event("prices", **{"<b>": 1})])
    web.storage.store.commit([change_event("stock", shop="other", colour=1)])


def test_the_api_lists_them_with_their_count_and_the_field_that_they_resemble(web: WebHarness) -> None:
    fill(web)
    rows = web.request("GET", "/api/unknown-fields", params={"shop": "main", "domain": "stock"}).json()
    assert {(row["field"], row["suggestion"], row["count"]) for row in rows} == {
        ("colour", None, 1),
        ("on_hand_qty", "on_hand", 1),
    }
    assert all(row["first_at"] == row["last_at"] for row in rows)
    assert len(web.request("GET", "/api/unknown-fields").json()) == 4
    assert web.request("GET", "/api/unknown-fields", params={"format": "csv"}).text.count("colour") == 2
    assert web.request("GET", "/api/unknown-fields", params={"domain": "nowhere"}).status_code == 400


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_the_page_shows_them_below_the_quarantine_and_in_a_list(web: WebHarness, language: str) -> None:
    client = PageClient(web, language=language)
    empty = client.get_page("/unknown-fields")
    fill(web)
    heading = {"en": "Unknown fields", "pt-BR": "Campos desconhecidos"}[language]
    for path in ("/unknown-fields", "/quarantine"):
        page = client.get_page(path)
        assert heading in page.text
        assert {"colour", "on_hand_qty", "on_hand", "<b>"} <= {element.text for element in page.all("code")}
    assert "colour" not in empty.text
    assert "other" in client.get_page("/unknown-fields?shop=other").one("section", id="unknown-fields").text


def test_a_dry_run_gives_warnings_beside_outcomes(web: WebHarness) -> None:
    web.storage.store.commit([change_event("stock", version=90_000)])
    batch = [
        json.loads(sample_event("stock", envelope={"sequence": "7", "time": None}, colour="x")),
        json.loads(sample_event("prices", envelope={"time": None}, price="9.90", minimum_qty="2")),
        json.loads(sample_event("prices", envelope={"time": None}, price="9.90", minQty="2")),
    ]
    answer = web.request("POST", "/events", params={"dry_run": 1}, content=json.dumps(batch), headers=BATCH)
    first, second, third = answer.json()["events"]
    assert (first["outcome"], [warning["code"] for warning in first["warnings"]]) == (
        "superseded",
        ["unknown_field", "far_superseded"],
    )
    assert second["outcome"] == "applied"
    assert second["warnings"] == [
        {
            "code": "unknown_field",
            "pointer": "/data/minimum_qty",
            "sentence": "is unknown and ignored: did you mean min_qty?",
            "doc": "/docs/warnings#unknown_field",
        }
    ]
    assert (third["outcome"], third["reason"], third["pointer"], third["warnings"]) == (
        "quarantined",
        "misspelt_field",
        "/data/minQty",
        [],
    )
    assert web.published == []


@pytest.mark.parametrize(
    ("language", "sentence", "remedy"),
    [
        ("en", "is misspelt: the field is min_qty", "Write the field as the contract does"),
        ("pt-BR", "está escrito errado: o campo é min_qty", "Escreva o campo como no contrato"),
    ],
)
def test_a_refusal_is_explained_in_the_language_of_the_page(
    sqlite_web: WebHarness, language: str, sentence: str, remedy: str
) -> None:
    refusal = Refusal(Reason.MISSPELT_FIELD, "/data/minQty", "is misspelt: the field is min_qty")
    body = b'{"data": {"product_code": "P1"}}'
    sqlite_web.storage.store.commit(
        [RejectedDelivery("main", "prices", refusal, body, "main.prices", "application/json", {}, False)]
    )
    (row,) = sqlite_web.database.views.page(QuarantineFilter()).rows
    assert row["sentence"] == "is misspelt: the field is min_qty"
    client = PageClient(sqlite_web, language=language)
    for path in ("/quarantine", f"/quarantine/message?id={row['id']}", "/search?text=P1"):
        assert sentence in client.get_page(path).text, path
    assert remedy in client.get_page(f"/quarantine/message?id={row['id']}").text
