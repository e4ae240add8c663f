"""Full loads over the API and on the page: shown with their progress, confirmed by the number, cancelled."""

from __future__ import annotations

import pytest

from storage.load_settlement import LoadSettlement
from tests.support.load_harness import load_message, product, reject_at
from tests.support.page_client import PageClient
from tests.support.web_harness import WebHarness

ONE = "/api/loads/main/products/night/1"


def hold(web: WebHarness) -> None:
    """Let a load be held that would delete 99 of 100 products."""
    old = [product(10, f"{number:03}") for number in range(100)]
    said = {"load_id": "night/1", "chunk": 1, "version": "90", "count": 1, "from": None, "to": None}
    load = [
        load_message("begun", load_id="night/1", version="90"),
        load_message("chunk", **said),
        product(10, "000", "night/1", 1),
        load_message("completed", load_id="night/1", chunks=1, count=1),
    ]
    for batch in (old, load):
        web.storage.store.commit(batch, reject_at(batch))
    settle(web)


def settle(web: WebHarness) -> None:
    """Settle all that can be settled."""
    settlement = LoadSettlement(web.database.fence)
    while settlement.step():
        pass


def test_a_held_load_is_shown_and_deletes_once_its_number_is_confirmed(web: WebHarness) -> None:
    assert web.get("/api/loads") == []
    hold(web)
    [row] = web.get("/api/loads", shop="main", domain="products", state="held")
    assert (row["load_id"], row["seen"], row["count"], row["would_delete"], row["deleted"]) == ("night/1", 1, 1, 99, 0)
    assert web.csv("/api/loads")[0]["state"] == "held"
    whole = web.get(ONE)
    [part] = whole["parts"]
    assert (part["chunk"], part["state"], part["range_from"], part["would_delete"]) == (1, "counted", None, 99)
    assert whole["would_delete_keys"][0] == {"code": "001"}
    refused = web.request("POST", f"{ONE}/confirm", json={"expected": 98})
    assert (refused.status_code, "99 now" in refused.json()["detail"]) == (409, True)
    answer = web.request("POST", f"{ONE}/confirm", json={"expected": 99, "reason": "seen"})
    assert (answer.status_code, answer.json()) == (200, {"confirmed": 99})
    settle(web)
    [row] = web.get("/api/loads")
    assert (row["state"], row["deleted"], row["settled"]) == ("completed", 99, 1)
    [entry] = web.get("/api/audit", action="load-confirm")
    assert (entry["reason"], entry["subject"], entry["count"]) == ("seen", "night/1", 99)


def test_a_load_is_cancelled_once(web: WebHarness) -> None:
    hold(web)
    assert web.request("POST", f"{ONE}/cancel").json() == {"state": "cancelled"}
    assert web.request("POST", f"{ONE}/cancel", json={}).status_code == 409
    assert web.request("POST", "/api/loads/main/products/none/cancel").status_code == 404
    assert web.request("GET", "/api/loads/main/products/none").status_code == 404
    assert web.request("GET", "/api/loads/main/orders/none").status_code == 400


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_the_page_shows_loads_and_their_chunks(web: WebHarness, language: str) -> None:
    client = PageClient(web, language=language)
    empty = {"en": "No full loads", "pt-BR": "Nenhuma carga completa"}[language]
    assert empty in client.get_page("/loads").text
    hold(web)
    held = {"en": "Held back", "pt-BR": "Retida"}[language]
    assert held in client.get_page("/loads").one("section", id="loads").text
    page = client.get_page("/load?shop=main&domain=products&id=night/1")
    assert held in page.text
    assert "001" in page.one("section", id="load-keys").text


def test_the_page_confirms_and_cancels(web: WebHarness) -> None:
    hold(web)
    form = {"shop": "main", "domain": "products", "id": "night/1"}
    assert web.request("POST", "/load/confirm", data={**form, "expected": "98"}).status_code == 409
    assert "99 keys" in web.request("POST", "/load/confirm", data={**form, "expected": "99"}).text
    assert "cancelled" in web.request("POST", "/load/cancel", data=form).text
    assert web.get("/api/loads")[0]["state"] == "cancelled"
