"""Chosen messages, and replays and drops in the background: over the API and on the page."""

from __future__ import annotations

import pytest

from comporta.web.request import Role
from control.auth.tokens import Identity
from storage.views import QuarantineFilter
from tests.support.page_client import PageClient
from tests.support.problem_details import check_problem
from tests.support.views_harness import rejected_delivery
from tests.support.web_harness import WebHarness, signed_in_as


def keep(web: WebHarness, number: int) -> list[str]:
    web.storage.store.commit([rejected_delivery(b"%d" % each) for each in range(number)])
    return [row["id"] for row in web.database.views.rows(QuarantineFilter(), 1_000)]


def test_chosen_messages_are_dropped_and_no_others(web: WebHarness) -> None:
    first, second, third = keep(web, 3)
    client = PageClient(web)
    boxes = client.get_page("/quarantine").all("input", name="message")
    assert [box["value"] for box in boxes] == [first, second, third]
    form = client.get_page(f"/quarantine/chosen?change=drop&message={first}&message={third}")
    assert "2 are chosen" in form.text
    client.post_form("/quarantine/drop-many", **form.form("/quarantine/drop-many"))
    assert keep(web, 0) == [second]
    asked = client.get_page(f"/quarantine/chosen?change=replay&message={second}").form("/quarantine/replay-many")
    assert "canary" not in asked
    assert "1 replayed" in client.post_form("/quarantine/replay-many", **asked).text


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_a_long_replay_goes_on_in_the_background_and_is_ended_there(web: WebHarness, language: str) -> None:
    keep(web, 12)
    client = PageClient(web, language=language)
    asked = client.get_page("/quarantine/replay").form("/quarantine/replay-many")
    client.post_form("/quarantine/replay-many", 409, **{**asked, "canary": "1", "expected": "11"})
    client.post_form("/quarantine/replay-many", **{**asked, "canary": "1"})
    assert len(keep(web, 0)) == 12
    page = client.get_page("/quarantine")
    assert [(bar["max"], bar["value"]) for bar in page.all("progress")] == [("12", "0")]
    client.post_form("/quarantine/jobs/cancel", **page.form("/quarantine/jobs/cancel"))
    assert client.get_page("/quarantine").all("form", action="/quarantine/jobs/cancel") == []
    assert PageClient(web, Role.VIEWER).get_page("/quarantine").all("input", name="message") == []


def test_the_api_begins_shows_and_ends_a_job(web: WebHarness) -> None:
    keep(web, 2)
    web.app = signed_in_as(web.app, Identity("ana", Role.OPERATOR))  # type: ignore[assignment]
    body = {"action": "replay", "filter": {"domain": "stock"}, "expected": 2, "reason": "T-1"}
    check_problem(web.request("POST", "/api/quarantine/jobs", json={**body, "expected": 3}), 409)
    check_problem(web.request("POST", "/api/quarantine/jobs", json={**body, "dry_run": True}), 400)
    job = web.request("POST", "/api/quarantine/jobs", json=body).json()
    assert (job["state"], job["chosen"], job["by"], job["reason"]) == ("running", 2, "ana", "T-1")
    assert web.get("/api/quarantine/jobs") == [web.get(f"/api/quarantine/jobs/{job['id']}")]
    assert web.request("POST", f"/api/quarantine/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    check_problem(web.request("GET", "/api/quarantine/jobs/x"), 404)
    web.storage.change("pause")
    check_problem(web.request("POST", "/api/quarantine/jobs", json=body), 428)
