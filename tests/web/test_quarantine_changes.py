"""Notes on groups of the quarantine, and corrected copies: checked before, and kept in the audit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comporta.web.request import Role
from control.auth.tokens import Identity
from rules.outcomes import RejectedDelivery
from schemas.events import STRUCTURED
from schemas.reasons import Reason, Refusal
from storage.views import AuditFilter, QuarantineFilter
from tests.support.event_samples import sample_event
from tests.support.page_client import PageClient
from tests.support.problem_details import check_problem
from tests.support.views_harness import rejected_delivery
from tests.support.web_harness import WebHarness, signed_in_as

REFUSAL = Refusal(Reason.MISSING_FIELD, "/data/unit", "is missing")
KEY = "main.stock"


def keep(web: WebHarness, body: bytes, **headers: Any) -> str:
    kind = "application/json" if headers else STRUCTURED
    web.storage.store.commit([RejectedDelivery("main", "stock", REFUSAL, body, KEY, kind, headers, False)])
    return str(web.database.views.rows(QuarantineFilter())[0]["id"])


@pytest.fixture
def operator_web(web: WebHarness) -> WebHarness:
    web.edits.allowed = True
    web.app = signed_in_as(web.app, Identity("ana", Role.OPERATOR))  # type: ignore[assignment]
    return web


def test_a_corrected_copy_takes_the_place_of_the_original(operator_web: WebHarness) -> None:
    web = operator_web
    original = keep(web, sample_event("stock", envelope={"id": "e1"}, unit=None, on_hand="1.000", available=None))
    path = f"/api/quarantine/{original}/edit"
    wrong = json.loads(sample_event("stock", envelope={"id": "e1"}, unit=None))
    problem = check_problem(web.request("POST", path, json={"text": json.dumps(wrong), "reason": "T-7"}), 409)
    assert "/data/unit" in problem["detail"]
    right = sample_event("stock", envelope={"id": "e1"}, unit="UN", on_hand="1.000", available=None).decode()
    check_problem(web.request("POST", path, json={"text": right}), 400)
    web.storage.change("pause")
    check_problem(web.request("POST", path, json={"text": right, "reason": "T-7"}), 428)
    web.storage.change("resume")
    done = web.request("POST", path, json={"text": right, "reason": "T-7"})
    copy = done.json()["id"]
    [message] = web.published
    assert (message.exchange, message.routing_key, message.message_id) == ("erp.events", KEY, copy)
    assert json.loads(message.body)["id"] == copy != "e1"
    assert message.headers == {"comporta-original": original}
    assert web.database.views.rows(QuarantineFilter()) == []
    entry = web.database.views.rows(AuditFilter(action="edit"))[0]
    assert (entry["user_id"], entry["reason"], entry["count"], entry["result"]) == ("ana", "T-7", 1, "done")
    assert str(entry["subject"]).startswith(f"{original} → {copy}: ")
    assert "data.unit: None → UN" in str(entry["subject"])


def test_nothing_is_edited_unless_the_installation_allows_it(operator_web: WebHarness) -> None:
    web = operator_web
    web.edits.allowed = False
    original = keep(web, b"{}")
    answer = web.request("POST", f"/api/quarantine/{original}/edit", json={"text": "{}", "reason": "x"})
    assert "COMPORTA_ALLOW_EDIT" in check_problem(answer, 409)["detail"]
    assert "Edit and send again" not in PageClient(web).get_page(f"/quarantine/message?id={original}").text


@pytest.mark.parametrize(
    ("body", "headers"), [(b"\xff", {}), (b"{}", {"cloudEvents:specversion": "1.0", "cloudEvents:id": "e1"})]
)
def test_what_cannot_be_edited_stays_and_may_be_replayed(
    operator_web: WebHarness, body: bytes, headers: dict[str, Any]
) -> None:
    web = operator_web
    original = keep(web, body, **headers)
    answer = web.request("POST", f"/api/quarantine/{original}/edit", json={"text": "{}", "reason": "x"})
    assert "only its publisher" in check_problem(answer, 409)["detail"]
    assert web.request("POST", f"/api/quarantine/{original}/replay").status_code == 200


def test_the_page_keeps_what_is_typed_until_it_is_right(web: WebHarness) -> None:
    web.edits.allowed = True
    original = keep(web, sample_event("stock", unit=None, available=None))
    client = PageClient(web, language="pt-BR")
    assert PageClient(web, Role.VIEWER).request("GET", f"/quarantine/edit?id={original}").status_code == 403
    form = client.get_page(f"/quarantine/edit?id={original}").form("/quarantine/edit")
    refused = client.post_form("/quarantine/edit", 409, **{**form, "text": "{", "why": "T-7"})
    assert "confira vírgulas" in refused.text
    assert refused.form("/quarantine/edit")["why"] == ["T-7"]
    right = sample_event("stock", available=None).decode()
    assert "a caminho" in client.post_form("/quarantine/edit", **{**form, "text": right, "why": "T-7"}).text
    assert len(web.published) == 1


def test_a_note_with_a_ticket_stands_beside_its_group(operator_web: WebHarness) -> None:
    web = operator_web
    web.storage.store.commit([rejected_delivery()])
    [group] = web.database.views.quarantine_groups()
    client = PageClient(web)
    form = client.get_page(f"/quarantine/note?reason={group.reason}&shop={group.shop}").form("/quarantine/note")
    client.post_form("/quarantine/note", **{**form, "note": "asked <Rui>", "ticket": "https://help.example/7"})
    page = client.get_page("/quarantine")
    assert "asked <Rui>" in page.text
    assert "https://help.example/7" in [link["href"] for link in page.all("a")]
    [note] = web.get("/api/quarantine-notes")
    assert (note["reason"], note["shop"], note["by"]) == (group.reason, group.shop, "ana")
    body = {"reason": group.reason, "shop": group.shop}
    assert web.request("PUT", "/api/quarantine-notes", json=body).json() == []
    assert [entry["action"] for entry in web.database.views.rows(AuditFilter(action="note"))] == ["note", "note"]
    check_problem(web.request("PUT", "/api/quarantine-notes", json={**body, "reason": "none"}), 400)
