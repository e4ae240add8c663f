"""Needs of an operator: only what is not zero, each with its link; calm where all is well."""

from __future__ import annotations

from schemas.reasons import Reason
from storage.views.quarantine_groups import reason_counts
from tests.support.page_client import PageClient
from tests.support.views_harness import rejected_delivery
from tests.support.web_harness import WebHarness


def needs(web: WebHarness) -> dict[str, str]:
    links = [
        link for link in PageClient(web).get_page("/").all("a") if link.attributes.get("class", "").startswith("need ")
    ]
    return {link["href"]: " ".join(link.text.split()) for link in links}


def test_only_what_is_not_zero_is_named_with_a_link(web: WebHarness) -> None:
    web.storage.discard("P1", "P2")
    web.storage.accept_orders("O1", "O2")
    web.storage.set_order("O1", state="stuck", last_error="HTTP 500", failures=20)
    web.storage.store.commit([rejected_delivery(b"1"), rejected_delivery(b"2", reason=Reason.TOO_LONG)])
    found = needs(web)
    assert found["/missed"] == "2 missed keys: the shop has old data"
    assert found["/orders?state=stuck"] == "1 order is stuck"
    assert found["/quarantine?reason=too_long"].startswith("1 in quarantine: ")
    assert not {"/orders?state=rejected", "/ledger", "/feeds"} & found.keys()


def test_the_quarantine_is_counted_by_reason_and_shop(web: WebHarness) -> None:
    rejections = [rejected_delivery(body) for body in (b"1", b"2")]
    web.storage.store.commit([*rejections, rejected_delivery(b"3", reason=Reason.TOO_LONG)])
    groups = web.database.views.quarantine_groups()
    assert [group.number for group in groups] == [2, 1]
    assert reason_counts(groups) == {groups[0].reason: 2, "too_long": 1}


def test_the_page_is_calm_where_nothing_is_wrong(web: WebHarness) -> None:
    assert set(needs(web)) <= {"/workers"}


def test_the_orders_open_on_what_needs_attention_with_counts(web: WebHarness) -> None:
    web.storage.accept_orders("O1", "O2", "O3")
    web.storage.set_order("O1", state="rejected", last_error="no such customer")
    client = PageClient(web)
    tabs = {" ".join(link.text.split()): link for link in client.get_page("/orders").all("a")}
    assert tabs["Needs attention 1"]["aria-current"] == "true"
    assert {"All 3", "Waiting 2", "Rejected 1"} <= tabs.keys()
    everything = client.get_page(tabs["All 3"]["href"])
    assert "3 rows" in everything.text
    assert "1 row" in client.get_page("/orders").text
    [row] = web.get("/api/orders", attention=True)
    assert row["order_id"] == "O1"
    web.storage.set_order("O1", state="waiting", last_error=None)
    assert "3 rows" in client.get_page("/orders").text


def test_the_quarantine_opens_with_its_groups(web: WebHarness) -> None:
    rejections = [rejected_delivery(body, shop=shop) for body, shop in ((b"1", "a"), (b"2", "a"), (b"3", "b"))]
    web.storage.store.commit(rejections)
    client = PageClient(web)
    links = [link["href"] for link in client.get_page("/quarantine").all("a") if "reason=" in link["href"]]
    assert links == [
        f"/quarantine{path}?shop={shop}&reason=no_version" for shop in ("a", "b") for path in ("", "/replay", "/note")
    ]
    page = client.get_page("/quarantine/replay?shop=a&reason=no_version")
    assert "2 messages" in page.text
    client.post_form("/quarantine/replay-many", **page.form("/quarantine/replay-many"))
    assert len(web.published) == 2
