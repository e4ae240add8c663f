"""Known shops over HTTP: added, listed and removed, each as the operator who is signed in."""

from __future__ import annotations

from storage.views import AuditFilter
from tests.support.page_client import PageClient
from tests.support.web_harness import WebHarness


def test_a_shop_is_added_once(web: WebHarness) -> None:
    added = web.request("POST", "/api/shops", json={"shop": "north", "reason": "opens"})
    assert (added.status_code, added.json()) == (201, {"shop": "north", "new": True})
    again = web.request("POST", "/api/shops", json={"shop": "north"})
    assert (again.status_code, again.json()) == (200, {"shop": "north", "new": False})
    [shop] = web.get("/api/shops")
    assert (shop["shop"], shop["admitted"]) == ("north", True)
    first = web.database.views.rows(AuditFilter())[-1]
    assert (first["action"], first["shop"], first["reason"], first["source"]) == ("shop-add", "north", "opens", "http")


def test_a_shop_is_removed_after_a_dry_run(web: WebHarness) -> None:
    web.storage.discard("P1", shop="gone")
    dry = web.request("DELETE", "/api/shops/gone", params={"dry_run": True})
    assert (dry.status_code, dry.json()["rows"]["missed"], dry.json()["removed"]) == (200, 1, 0)
    assert web.request("DELETE", "/api/shops/gone").status_code == 409
    web.storage.change("pause", shop="gone")
    removed = web.request("DELETE", "/api/shops/gone", params={"reason": "closed"})
    assert removed.json()["removed"] == sum(removed.json()["rows"].values()) > 0
    assert web.get("/api/shops") == []
    assert web.request("DELETE", "/api/shops/gone").status_code == 404


def test_a_pause_of_an_unknown_shop_is_refused_unless_it_is_said_to_be_new(web: WebHarness) -> None:
    web.request("POST", "/api/shops", json={"shop": "north"})
    refused = web.request("POST", "/api/pause", json={"reason": "x", "shop": "nroth"})
    assert (refused.status_code, refused.json()["result"]) == (400, "refused")
    assert "did you mean north?" in refused.json()["error"]
    assert web.request("POST", "/api/pause", json={"reason": "x", "shop": "south", "new_shop": True}).status_code == 200


def test_the_page_pauses_a_shop_that_is_not_in_the_list(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.discard("P1")
    client = PageClient(sqlite_web)
    filled = {**client.get_page("/switch/off").form("/switch/off"), "reason": "opens later"}
    client.post_form("/switch/off", **{**filled, "new_shop": "south"})
    assert [(each.shop, each.domain) for each in sqlite_web.database.views.status().switches if each.off] == [
        ("south", "*")
    ]
