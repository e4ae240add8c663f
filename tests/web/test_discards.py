"""Replay and resync while off: what would only be discarded needs a second yes, over HTTP and on the page."""

from __future__ import annotations

from typing import Any

import pytest

from storage.views import AuditFilter, QuarantineFilter
from tests.support.page_client import PageClient
from tests.support.problem_details import check_problem
from tests.support.views_harness import rejected_delivery
from tests.support.web_harness import WebHarness


def keep(web: WebHarness, *bodies: bytes, domain: str = "stock") -> list[str]:
    """Puts messages into the quarantine; returns their ids."""
    web.storage.store.commit([rejected_delivery(body, domain=domain) for body in bodies])
    return [row["id"] for row in web.database.views.rows(QuarantineFilter())]


def post(web: WebHarness, path: str, **body: Any) -> Any:
    return web.request("POST", path, json=body)


def test_a_replay_of_what_is_off_is_refused_until_it_is_said_twice(web: WebHarness) -> None:
    [identity] = keep(web, b"1")
    web.storage.change("pause", domains=["stock"])
    asked = post(web, "/api/quarantine/replay", filter={}, dry_run=True).json()
    assert (asked["chosen"], asked["discarded"]) == (1, 1)
    one, many = f"/api/quarantine/{identity}/replay", "/api/quarantine/replay"
    for path, body in ((one, {}), (many, {"filter": {}, "expected": 1})):
        problem = check_problem(post(web, path, **body), 428)
        assert "all 1 messages would be discarded" in problem["detail"]
        assert "stock of shop main" in problem["detail"]
    assert web.published == []
    assert [row["action"] for row in web.database.views.rows(AuditFilter())] == ["pause"]
    assert post(web, "/api/quarantine/replay", filter={}, expected=1, discard=True).json()["replayed"] == 1


def test_a_resync_of_what_is_off_is_refused_until_it_is_said_twice(web: WebHarness) -> None:
    web.storage.discard("P1", "P2")
    web.storage.discard("P1", shop="other")
    web.storage.change("pause", shop="other")
    assert post(web, "/api/missed/resync", dry_run=True).json()["discarded"] == 1
    problem = check_problem(post(web, "/api/missed/resync"), 428)
    assert "1 of 3 keys would be discarded" in problem["detail"]
    assert post(web, "/api/missed/resync", shop="main").json()["requested"] == 2
    assert post(web, "/api/missed/resync", shop="other", discard=True).json()["requested"] == 1


def test_a_resync_without_a_body_asks_for_all(web: WebHarness) -> None:
    web.storage.discard("P1", "P2")
    assert web.request("POST", "/api/missed/resync").json()["requested"] == 2


def test_what_is_on_and_what_waits_needs_no_second_yes(web: WebHarness) -> None:
    keep(web, b"1")
    web.storage.change("pause", domains=["orders", "prices"])
    asked = post(web, "/api/quarantine/replay", filter={}, dry_run=True).json()
    assert "discarded" not in asked
    assert post(web, "/api/quarantine/replay", filter={}, expected=1).json()["replayed"] == 1


@pytest.mark.parametrize("path", ["/quarantine/replay", "/missed/resync"])
def test_the_dialog_says_that_it_will_be_discarded_and_asks_again(web: WebHarness, path: str) -> None:
    keep(web, b"1")
    web.storage.discard("P1")
    client, action = PageClient(web), "/quarantine/replay-many" if path.startswith("/quarantine") else path
    assert "will be discarded" not in client.get_page(path).text
    web.storage.change("pause")
    page = client.get_page(path)
    assert "All of it will be discarded on arrival" in page.one("p", role="alert").text
    filled = {name: value for name, value in page.form(action).items() if name != "discard"}
    client.post_form(action, 428, **filled)
    assert web.published == []
    client.post_form(action, **filled, discard="1")
    assert len(web.published) == 1


def test_one_message_that_would_be_discarded_is_replayed_after_a_question(sqlite_web: WebHarness) -> None:
    [identity] = keep(sqlite_web, b"1")
    sqlite_web.storage.change("pause", shop="main", domains=["stock"])
    client = PageClient(sqlite_web)
    page = client.get_page(f"/quarantine/message?id={identity}")
    [link] = [each["href"] for each in page.all("a") if each["href"].startswith("/quarantine/replay?")]
    assert "/quarantine/replay" not in [form["action"] for form in page.all("form")]
    question = client.get_page(link)
    assert "All of it will be discarded" in question.text
    client.post_form("/quarantine/replay", id=identity, discard="1")
    assert [message.body for message in sqlite_web.published] == [b"1"]
