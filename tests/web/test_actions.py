"""Actions of the API beside switching: replay, drop, resync, retry, and repair sheets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from control.auth.tokens import Identity, Role
from rules.outcomes import Outcome
from schemas.events import ChangeEvent
from schemas.reasons import Reason
from storage.errors import Unavailable
from storage.quarantine import QuarantineStore
from tests.support.problem_details import check_problem
from tests.support.views_harness import change_event, rejected_delivery
from tests.support.wait import wait_until
from tests.support.web_harness import WebHarness, signed_in_as


@pytest.fixture
def operator_web(web: WebHarness) -> Iterator[WebHarness]:
    """The application as an operator sees it."""
    web.app = signed_in_as(web.app, Identity("ana", Role.OPERATOR))  # type: ignore[assignment]
    return web


def post(web: WebHarness, path: str, **body: Any) -> Any:
    return web.request("POST", path, json=body)


def done(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def keep(web: WebHarness, *items: Any) -> list[str]:
    """Puts messages into the quarantine; returns the ids of all, oldest first."""
    web.storage.store.commit(items)
    return [row["id"] for row in reversed(web.get("/api/quarantine"))]


def acts(web: WebHarness) -> list[tuple[Any, ...]]:
    """The acts of the audit, oldest first."""
    return [
        (row["action"], row["by"], row["source"], row["reason"], row["count"], row["result"])
        for row in reversed(web.get("/api/audit"))
        if row["count"] is not None
    ]


def test_one_message_is_replayed_and_another_dropped(operator_web: WebHarness) -> None:
    first, second = keep(operator_web, rejected_delivery(b"1"), rejected_delivery(b"2"))
    assert done(post(operator_web, f"/api/quarantine/{first.upper()}/replay", reason="table mended")) == {
        "chosen": 1,
        "replayed": 1,
        "staying": 0,
        "refused": [],
        "left": 0,
        "error": None,
    }
    assert [(each.exchange, each.routing_key, each.body, each.message_id) for each in operator_web.published] == [
        ("erp.events", "main.stock", b"1", first)
    ]
    assert done(operator_web.request("DELETE", f"/api/quarantine/{second.upper()}", params={"reason": "a test"})) == {
        "chosen": 1,
        "dropped": 1,
    }
    assert operator_web.get("/api/quarantine") == []
    assert acts(operator_web) == [
        ("replay", "ana", "http", "table mended", 1, "done"),
        ("drop", "ana", "http", "a test", 1, "done"),
    ]
    [replayed] = [row for row in operator_web.get("/api/audit") if row["action"] == "replay"]
    assert (replayed["subject"], replayed["user_id"]) == (first, "ana")
    check_problem(operator_web.request("POST", f"/api/quarantine/{first}/replay"), 404)
    check_problem(operator_web.request("DELETE", f"/api/quarantine/{second}"), 404)


def test_what_can_t_be_replayed_is_a_conflict_that_says_why(operator_web: WebHarness) -> None:
    [identity] = keep(operator_web, rejected_delivery(shop="?"))
    problem = check_problem(operator_web.request("POST", f"/api/quarantine/{identity}/replay"), 409)
    assert "names no shop" in problem["detail"]
    assert operator_web.published == []
    [shown] = done(post(operator_web, "/api/quarantine/replay", filter={}, expected=1))["refused"]
    assert (shown["id"], "names no shop" in shown["why"]) == (identity, True)


@pytest.mark.parametrize(("act", "counted"), [("replay", "replayed"), ("drop", "dropped")])
def test_many_are_acted_on_by_a_filter_and_the_number_that_was_shown(
    operator_web: WebHarness, act: str, counted: str
) -> None:
    bad = [rejected_delivery(b"%d" % number, reason=Reason.NCM_FORMAT) for number in range(3)]
    ids = keep(operator_web, *bad, rejected_delivery(shop="other"), rejected_delivery(b"5"))
    path, wanted = f"/api/quarantine/{act}", {"shop": "main", "reason": "ncm_format"}
    asked = done(post(operator_web, path, filter=wanted, dry_run=True))
    assert (asked["chosen"], asked[counted]) == (3, 0)
    problem = check_problem(post(operator_web, path, filter=wanted, expected=2), 409)
    assert (problem["expected"], problem["now"]) == (2, 3)
    assert len(operator_web.get("/api/quarantine")) == 5
    assert done(post(operator_web, path, filter=wanted, expected=3))[counted] == 3
    assert done(post(operator_web, path, filter={"ids": ids[4:]}, expected=1, reason="x"))[counted] == 1
    assert [row["shop"] for row in operator_web.get("/api/quarantine")] == ["other"]
    assert acts(operator_web) == [(act, "ana", "http", None, 3, "done"), (act, "ana", "http", "x", 1, "done")]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/quarantine/drop", {"filter": {"shops": "main"}, "expected": 0}),
        ("/api/quarantine/drop", {"filter": {"ids": []}, "expected": 0}),
        ("/api/quarantine/drop", {"filter": {}}),
        ("/api/quarantine/replay", {"expected": 0}),
        ("/api/orders/retry", {"filter": {"state": "internalized"}, "expected": 0}),
        ("/api/missed/resync", {"keys": [{"code": "P1"}]}),
        ("/api/missed/resync", {"shop": "main", "domain": "products", "keys": [{"product_code": "P1"}]}),
        ("/api/missed/resync", {"domain": "orders"}),
        ("/api/missed/resync", {"reason": "\0"}),
        ("/api/versions/forget", {"shop": "main", "domain": "stock"}),
        ("/api/versions/forget", {"domain": "stock", "reason": "x"}),
        ("/api/versions/forget", {"shop": "main", "domain": "orders", "reason": "x"}),
        (
            "/api/versions/forget",
            {"shop": "main", "domain": "images", "reason": "x", "keys": [{"code": "1"}]},
        ),
        ("/api/versions/forget", {"shop": "main", "domain": "products", "reason": "x", "keys": []}),
    ],
)
def test_what_is_misspelt_means_nothing_rather_than_everything(
    operator_web: WebHarness, path: str, body: dict[str, Any]
) -> None:
    keep(operator_web, rejected_delivery())
    check_problem(operator_web.request("POST", path, json=body), 400)
    assert len(operator_web.get("/api/quarantine")) == 1
    assert operator_web.published == []
    assert acts(operator_web) == []


def test_missed_keys_are_asked_for_after_a_dry_run(operator_web: WebHarness) -> None:
    operator_web.storage.discard("P1", "P2")
    operator_web.storage.discard("P1", shop="other")
    counts = {"keys": 3, "messages": 2, "requested": 0, "asked_recently": 0}
    assert done(post(operator_web, "/api/missed/resync", dry_run=True)) == counts
    assert (operator_web.published, acts(operator_web)) == ([], [])
    key = operator_web.get("/api/missed", shop="main")[0]["key"]
    one = {"shop": "main", "domain": "stock", "keys": [key], "again": True}
    for number in (1, 2):
        answer = operator_web.request("POST", "/api/missed/resync", json=one, headers={"idempotency-key": "again"})
        assert done(answer)["requested"] == 1
        assert len({message.message_id for message in operator_web.published}) == 1, number
    # The one that was asked for a moment ago is left out, unless the request says `again`.
    counts = done(post(operator_web, "/api/missed/resync", dry_run=True))
    assert (counts["keys"], counts["asked_recently"]) == (2, 1)
    everything = post(operator_web, "/api/missed/resync", expected=3, reason="resumed", again=True)
    assert done(everything)["requested"] == 3
    assert acts(operator_web)[-1] == ("resync", "ana", "http", "resumed", 3, "done")


def test_versions_are_forgotten_after_a_dry_run(operator_web: WebHarness) -> None:
    web = operator_web
    web.storage.store.commit([change_event("stock", product_code=code, version=2**61) for code in ("P1", "P2")])
    scope = {"shop": "main", "domain": "stock", "reason": "restored"}
    assert done(post(web, "/api/versions/forget", **scope, dry_run=True)) == {
        "keys": 2,
        "missed": 0,
        "forgotten": 0,
    }
    assert acts(web) == []
    key = {"product_code": "P1", "branch": "1", "warehouse": "W"}
    assert done(post(web, "/api/versions/forget", **scope, keys=[key]))["forgotten"] == 1
    assert done(post(web, "/api/versions/forget", **scope, expected=1)) == {
        "keys": 1,
        "missed": 0,
        "forgotten": 1,
    }
    assert acts(web)[-1] == ("versions-forget", "ana", "http", "restored", 1, "done")
    assert web.storage.commit(change_event("stock", product_code="P1"), change_event("stock", product_code="P2")) == {
        Outcome.APPLIED: 2
    }


def test_orders_are_retried_one_by_one_and_all_of_a_state(operator_web: WebHarness) -> None:
    operator_web.storage.accept_orders(*(f"O{number}" for number in range(1200)))
    operator_web.storage.accept_orders("P/1", shop="other")
    with operator_web.database.fence.shared() as connection:
        connection.exec_driver_sql("UPDATE orders SET state = 'rejected' WHERE order_id <> 'O0'")
    assert done(operator_web.request("POST", "/api/orders/other/P%2F1/retry", json={"reason": "credit given"})) == {
        "state": "waiting"
    }
    asked = done(post(operator_web, "/api/orders/retry", filter={}, dry_run=True))
    assert asked == {"chosen": 1199, "retried": 0}
    check_problem(post(operator_web, "/api/orders/retry", filter={"shop": "main"}, expected=1198), 409)
    assert done(post(operator_web, "/api/orders/retry", filter={"shop": "main"}, expected=1199))["retried"] == 1199
    assert operator_web.get("/api/status")["orders"] == {"main": {"waiting": 1200}, "other": {"waiting": 1}}
    assert acts(operator_web) == [
        ("retry", "ana", "http", "credit given", 1, "done"),
        ("retry", "ana", "http", None, 1199, "done"),
    ]
    operator_web.storage.set_order("O0", state="internalized")
    check_problem(operator_web.request("POST", "/api/orders/main/O0/retry"), 409)
    assert len(acts(operator_web)) == 2


def test_the_sheets_count_down(operator_web: WebHarness) -> None:
    assert operator_web.get("/api/repairs") == []
    operator_web.storage.discard("P1", "P2")
    wait_until(lambda: operator_web.get("/api/repairs")[0]["missed"] == 2, what="the sheet to be counted")
    [sheet] = operator_web.get("/api/repairs")
    assert sheet["scopes"] == [{"shop": "main", "domain": "stock"}]
    assert sheet["lines"] == [{"shop": "main", "domain": "stock", "missed": 2, "left": 2}]
    again: ChangeEvent = change_event("stock", product_code="P1", version=2)
    operator_web.storage.store.commit([again])
    wait_until(lambda: operator_web.get("/api/repairs")[0]["left"] == 1, what="the sheet to count down")


def test_with_the_database_away_nothing_is_done(operator_web: WebHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    [identity] = keep(operator_web, rejected_delivery())

    def away(*_: object) -> None:
        raise Unavailable("the database can't be reached: test")

    monkeypatch.setattr(QuarantineStore, "claim", away)
    check_problem(operator_web.request("POST", f"/api/quarantine/{identity}/replay"), 503)
    assert (operator_web.published, [each[5] for each in acts(operator_web)]) == ([], ["failed"])
