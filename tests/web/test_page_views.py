"""What the page shows: every room on both databases, full and empty, escaped, masked, and for each role its own."""

from __future__ import annotations

import json
import re
from itertools import chain
from urllib.parse import parse_qs, urlsplit

import pytest

from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from storage.event_store import EventStore
from storage.views import QuarantineFilter
from tests.support.page_client import HtmlPage, PageClient, Role
from tests.support.views_harness import change_event, rejected_delivery
from tests.support.web_harness import WebHarness

QUESTIONS = (
    "/switch/off", "/switch/on", "/missed/resync", "/orders/retry", "/quarantine/replay", "/quarantine/drop",
    "/versions/forget", "/versions/forget?shop=main&domain=stock",
)  # fmt: skip
ROOMS = (
    "/", "/?range=day&domain=stock", "/orders", "/missed", "/quarantine", "/unknown-fields", "/repairs", "/ledger",
    "/pauses",
    "/ledger?outcome=applied", "/audit", "/workers", "/search", "/search?text=P1",
    "/switch/cost", *QUESTIONS,
)  # fmt: skip
HOSTILE = "<script>alert('1')</script>\"&{{ 7*7 }}"
CPF = "52998224725"


def fill(web: WebHarness) -> None:
    web.storage.store.commit(
        [change_event("products", code="P1", name=HOSTILE), change_event("customers", document=CPF)]
    )
    web.storage.discard("P1", "P2")
    web.storage.accept_orders("O1", HOSTILE, display_number="#7")
    web.storage.set_order("O1", state="rejected", last_error=HOSTILE)
    body = (
        json.dumps({"data": {"document": CPF, "name": HOSTILE, "on_hand": "digits"}})
        .replace('"digits"', "1.10")
        .encode()
    )
    web.storage.store.commit(
        [rejected_delivery(body), rejected_delivery(b"\xff\x00", shop="?", reason=Reason.ROUTING_KEY)]
    )
    web.storage.change("pause", reason=HOSTILE, domains=["prices"], by=HOSTILE)


def ids(web: WebHarness) -> list[str]:
    return [row["id"] for row in web.database.views.rows(QuarantineFilter())]


def acts(page: HtmlPage) -> list[str]:
    """Everything in a page that would change something."""
    forms = [form["action"] for form in page.all("form", method="post")]
    links = [
        link["href"]
        for link in page.all("a")
        if re.search(r"/switch/o|/resync|/retry|/replay|/drop|/forget", link["href"])
    ]
    return [act for act in forms + links if act != "/logout"]


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_every_room_opens_full_and_empty(web: WebHarness, language: str) -> None:
    client = PageClient(web, language=language)
    for _ in range(2):
        for room in ROOMS:
            page = client.get_page(room)
            assert page.one("html")["lang"] == language
            assert len(page.all("h1")) == 1 or room == "/switch/cost", room
        fill(web)


@pytest.mark.parametrize("room", ROOMS)
def test_what_somebody_else_wrote_is_shown_as_text(sqlite_web: WebHarness, room: str) -> None:
    fill(sqlite_web)
    text = PageClient(sqlite_web).request("GET", room).text
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in text or "7*7" not in text


def test_an_order_shows_what_it_holds_with_its_digits_and_without_documents(web: WebHarness) -> None:
    web.storage.accept_orders("O/1 ?", customer={"document": CPF, "name": "Ana"})
    [link] = [each["href"] for each in PageClient(web).get_page("/orders").all("a") if "/order?" in each["href"]]
    page = PageClient(web).get_page(link)
    assert CPF not in page.answer.text
    assert "***.982.247-**" in page.one("pre").text
    assert '"document"' in page.one("pre").text


def test_a_refused_message_is_shown_escaped_masked_and_with_its_digits(web: WebHarness) -> None:
    fill(web)
    binary, readable = ids(web)
    text = PageClient(web).get_page(f"/quarantine/message?id={readable}").all("pre")[0].text
    assert CPF not in text
    assert ("***.982.247-**" in text, '"on_hand": 1.10' in text, json.dumps(HOSTILE) in text) == (True, True, True)
    assert "\\xff" in PageClient(web).get_page(f"/quarantine/message?id={binary}").all("pre")[0].text


def test_a_viewer_is_shown_nothing_to_press(sqlite_web: WebHarness) -> None:
    fill(sqlite_web)
    for room in (*ROOMS[:12], f"/quarantine/message?id={ids(sqlite_web)[0]}", "/order?shop=main&id=O1"):
        assert acts(PageClient(sqlite_web, Role.VIEWER).get_page(room)) == [], room
        assert acts(PageClient(sqlite_web).get_page(room)) != [], room


@pytest.mark.parametrize(
    ("room", "exact"),
    [
        ("/orders?shop=main&state=rejected&text=O&older_than=600&overdue=true",
         {"shop": "main", "state": "rejected", "text": "O", "older_than": "600", "overdue": "true"}),
        ("/missed?shop=main&domain=stock&text=P%261", {"shop": "main", "domain": "stock", "text": "P&1"}),
        ("/quarantine?reason=no_version&since=2026-11-23T09:00&since_utc=2026-11-23T12:00:00Z&until=2999-01-01T00:00",
         {"reason": "no_version", "since": "2026-11-23T12:00:00Z", "until": "2999-01-01T00:00:00Z"}),
        ("/audit?by=ana&action=pause", {"by": "ana", "action": "pause"}),
    ],
)  # fmt: skip
def test_an_export_is_of_exactly_the_filter_and_the_form_keeps_it(
    sqlite_web: WebHarness, room: str, exact: dict[str, str]
) -> None:
    client = PageClient(sqlite_web)
    page = client.get_page(room)
    for link in (each["href"] for each in page.all("a") if "format=" in each["href"]):
        asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        assert {name: value for name, value in asked.items() if name != "format"} == exact
        assert client.request("GET", link, headers={"accept": "*/*"}).status_code == 200
    kept = {
        each.attributes.get("value") for each in [*page.all("input"), *page.all("option")] if "value" in each.attributes
    }
    assert set(parse_qs(urlsplit(room).query).popitem()[1]) <= kept


def test_a_list_is_paged_forth_and_back_within_its_filter(web: WebHarness) -> None:
    web.storage.accept_orders(*(f"O{number:03}" for number in range(120)))
    web.storage.accept_orders("other", shop="other")
    client = PageClient(web)
    first = client.get_page("/orders?shop=main")
    second = client.get_page(first.one("a", rel="next")["href"])
    third = client.get_page(second.one("a", rel="next")["href"])
    found = [re.findall(r"O\d{3}", " ".join(each.text for each in seen.all("th"))) for seen in (first, second, third)]
    assert [len(page) for page in found] == [50, 50, 20]
    assert [*chain(*found)] == [f"O{number:03}" for number in range(120)]
    assert "120 rows" in first.text
    assert third.all("a", rel="next") == []
    back = client.get_page(third.one("a", rel="prev")["href"])
    assert [each.text for each in back.all("th")] == [each.text for each in second.all("th")]


@pytest.mark.parametrize("address", ["/orders?after=junk", "/quarantine?since=junk", "/quarantine/drop?until=junk"])
def test_what_can_not_be_read_is_refused_and_never_widens_the_filter(sqlite_web: WebHarness, address: str) -> None:
    assert "Invalid request" in PageClient(sqlite_web).get_page(address, 400).text


def test_the_balance_is_in_sight_and_each_of_its_terms_is_a_link(web: WebHarness) -> None:
    fill(web)
    web.storage.change("pause")
    web.storage.store.commit([change_event("stock", product_code="P9")])
    client = PageClient(web)
    page = client.get_page("/")
    terms = [each for each in page.all("a") if each.attributes.get("class", "").startswith("term")]
    numbers = [int(re.sub(r"\D", "", each.text)) for each in terms]
    assert numbers[0] == sum(numbers[1:]) > 0
    assert "Difference 0" in page.text
    for link in terms:
        client.get_page(link["href"])


def test_a_refresh_brings_the_regions_and_nothing_around_them(sqlite_web: WebHarness) -> None:
    fill(sqlite_web)
    client = PageClient(sqlite_web)
    whole = client.get_page("/")
    part = client.get_page("/", headers={"hx-request": "true", "hx-target": "live"})
    regions = {each["id"] for each in whole.elements if "data-live" in each.attributes}
    assert {each["id"] for each in part.elements if each.attributes.get("hx-swap-oob") == "true"} == regions
    assert len(regions) > 5
    assert (part.all("html"), part.all("header", class_="top")) == ([], [])


def test_a_dialog_is_the_form_alone(sqlite_web: WebHarness) -> None:
    page = PageClient(sqlite_web).get_page("/switch/off", headers={"hx-request": "true", "hx-target": "dialog-body"})
    assert [form["action"] for form in page.all("form")] == ["/switch/off"]
    assert page.all("html") == []


def test_the_biography_tells_of_every_place_a_key_stands_in(web: WebHarness) -> None:
    fill(web)
    text = PageClient(web).get_page("/search?text=P1").text
    assert all(part in text for part in ("Missed: Stock", "Products", "version 1 was discarded"))
    assert "Nothing found for “nowhere”" in PageClient(web).get_page("/search?text=nowhere").text
    by_document = PageClient(web).get_page("/search", params={"text": "529.982.247-25"})
    assert "Customers" in by_document.text
    assert CPF not in by_document.answer.text


def test_a_reason_that_a_newer_version_wrote_does_no_harm(sqlite_web: WebHarness) -> None:
    item = RejectedDelivery(
        "main", "stock", Refusal(Reason.NO_VERSION, "", "x"), b"{}", "main.elsewhere", "t", {"n": 1}, False
    )
    sqlite_web.storage.store.commit([item._replace(domain="elsewhere")])
    assert "elsewhere" in PageClient(sqlite_web).get_page("/quarantine").text


def test_a_chart_shades_when_something_was_off(web: WebHarness) -> None:
    client = PageClient(web)
    assert json.loads(client.get_page("/").one("table", id="chart-table")["data-off"]) == []
    web.storage.discard("P1")
    web.storage.change("pause", domains=["prices"])
    for room, ends in (("/", [True, False]), ("/?domain=stock", [True]), ("/ledger?domain=prices&range=day", [False])):
        shades = json.loads(client.get_page(room).one("table", id="chart-table")["data-off"])
        assert [bool(until) for _, until in shades] == ends, room


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_viewer_may_read_a_question_but_has_no_button_to_answer_it(sqlite_web: WebHarness, question: str) -> None:
    fill(sqlite_web)

    def buttons(role: Role) -> int:
        main = PageClient(sqlite_web, role).get_page(
            question, headers={"hx-request": "true", "hx-target": "dialog-body"}
        )
        return len(main.all("button", type="submit"))

    assert (buttons(Role.VIEWER), buttons(Role.OPERATOR)) == (0, 1)


def test_a_search_tells_an_item_s_values_its_changes_and_the_pause_that_discarded_one(web: WebHarness) -> None:
    storage = web.storage
    storage.store = EventStore(storage.fence, storage.switchboard, "w1", history=20)
    storage.commit(change_event("prices", version=1, product_code="P9", price="10.00"))
    storage.commit(change_event("prices", version=2, product_code="P9", price="1234.50"))
    storage.change("pause", domains=["prices"], reason="a new price list")
    discarded = change_event("prices", version=3, product_code="P9", price="9.00")
    storage.commit(discarded)
    client = PageClient(web, language="pt-BR")
    page = client.get_page("/search?text=P9")
    assert page.text.index("Preço1.234,5") < page.text.index("Últimas mudanças") < page.text.index("Desatualizadas:")
    assert "Preço: 10 → 1.234,5" in page.text
    assert page.text.count("Descartada pela pausa de unknown: “a new price list”") == 2
    [epoch] = {link["href"] for link in page.all("a") if link["href"].startswith("/pauses/")}
    assert "a new price list" in client.get_page(epoch).text
    event = client.get_page(f"/search?text={discarded.event_id}")
    assert f"O que foi feito do evento {discarded.event_id}" in event.text
    assert "Descartadas" in event.text
