"""What the page shows: every room on both databases, full and empty, escaped, masked, and for each role its own."""

from __future__ import annotations

import json
import re
from itertools import chain
from urllib.parse import parse_qs, urlsplit

import pytest

from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from tests.support.page_client import HtmlPage, PageClient, Role
from tests.support.views_harness import change_event, rejected_delivery
from tests.support.web_harness import WebHarness

QUESTIONS = (
    "/switch/off", "/switch/on", "/missed/resync", "/orders/retry", "/quarantine/replay", "/quarantine/drop",
    "/versions/forget", "/versions/forget?shop=main&domain=stock",
)  # fmt: skip
ROOMS = (
    "/", "/?range=day&domain=stock", "/orders", "/missed", "/quarantine", "/repairs", "/ledger",
    "/ledger?outcome=applied", "/audit", "/workers", "/search", "/search?text=P1",
    "/switch/cost", *QUESTIONS,
)  # fmt: skip
HOSTILE = "<script>alert('1')</script>\"&{{ 7*7 }}"
CPF = "52998224725"


def fill(site: WebHarness) -> None:
    site.gallery.store.commit(
        [change_event("products", code="P1", name=HOSTILE), change_event("customers", document=CPF)]
    )
    site.gallery.miss("P1", "P2")
    site.gallery.accept("O1", HOSTILE, display_number="#7")
    site.gallery.set_order("O1", state="rejected", last_error=HOSTILE)
    body = (
        json.dumps({"data": {"document": CPF, "name": HOSTILE, "on_hand": "digits"}})
        .replace('"digits"', "1.10")
        .encode()
    )
    site.gallery.store.commit(
        [rejected_delivery(body), rejected_delivery(b"\xff\x00", shop="?", reason=Reason.ROUTING_KEY)]
    )
    site.gallery.change("pause", reason=HOSTILE, domains=["prices"], by=HOSTILE)


def ids(site: WebHarness) -> list[str]:
    return [row["id"] for row in site.database.views.quarantined()]


def acts(seen: HtmlPage) -> list[str]:
    """Everything in a page that would change something."""
    forms = [form["action"] for form in seen.all("form", method="post")]
    links = [
        link["href"]
        for link in seen.all("a")
        if re.search(r"/switch/o|/resync|/retry|/replay|/drop|/forget", link["href"])
    ]
    return [act for act in forms + links if act != "/logout"]


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_every_room_opens_full_and_empty(site: WebHarness, language: str) -> None:
    visitor = PageClient(site, language=language)
    for _ in range(2):
        for room in ROOMS:
            seen = visitor.see(room)
            assert seen.one("html")["lang"] == language
            assert len(seen.all("h1")) == 1 or room == "/switch/cost", room
        fill(site)


@pytest.mark.parametrize("room", ROOMS)
def test_what_somebody_else_wrote_is_shown_as_text(small_site: WebHarness, room: str) -> None:
    fill(small_site)
    text = PageClient(small_site).ask("GET", room).text
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in text or "7*7" not in text


def test_an_order_shows_what_it_holds_with_its_digits_and_without_documents(site: WebHarness) -> None:
    site.gallery.accept("O/1 ?", customer={"document": CPF, "name": "Ana"})
    [link] = [each["href"] for each in PageClient(site).see("/orders").all("a") if "/order?" in each["href"]]
    seen = PageClient(site).see(link)
    assert CPF not in seen.answer.text
    assert "***.982.247-**" in seen.one("pre").text
    assert '"document"' in seen.one("pre").text


def test_a_refused_message_is_shown_escaped_masked_and_with_its_digits(site: WebHarness) -> None:
    fill(site)
    binary, readable = ids(site)
    text = PageClient(site).see(f"/quarantine/message?id={readable}").all("pre")[0].text
    assert CPF not in text
    assert ("***.982.247-**" in text, '"on_hand": 1.10' in text, json.dumps(HOSTILE) in text) == (True, True, True)
    assert "\\xff" in PageClient(site).see(f"/quarantine/message?id={binary}").all("pre")[0].text


def test_a_viewer_is_shown_nothing_to_press(small_site: WebHarness) -> None:
    fill(small_site)
    for room in (*ROOMS[:12], f"/quarantine/message?id={ids(small_site)[0]}", "/order?shop=main&id=O1"):
        assert acts(PageClient(small_site, Role.VIEWER).see(room)) == [], room
        assert acts(PageClient(small_site).see(room)) != [], room


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
    small_site: WebHarness, room: str, exact: dict[str, str]
) -> None:
    visitor = PageClient(small_site)
    seen = visitor.see(room)
    for link in (each["href"] for each in seen.all("a") if "format=" in each["href"]):
        asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        assert {name: value for name, value in asked.items() if name != "format"} == exact
        assert visitor.ask("GET", link, headers={"accept": "*/*"}).status_code == 200
    kept = {
        each.attributes.get("value") for each in [*seen.all("input"), *seen.all("option")] if "value" in each.attributes
    }
    assert set(parse_qs(urlsplit(room).query).popitem()[1]) <= kept


def test_a_list_is_paged_forth_and_back_within_its_filter(site: WebHarness) -> None:
    site.gallery.accept(*(f"O{number:03}" for number in range(120)))
    site.gallery.accept("other", shop="other")
    visitor = PageClient(site)
    first = visitor.see("/orders?shop=main")
    second = visitor.see(first.one("a", rel="next")["href"])
    third = visitor.see(second.one("a", rel="next")["href"])
    found = [re.findall(r"O\d{3}", " ".join(each.text for each in seen.all("th"))) for seen in (first, second, third)]
    assert [len(page) for page in found] == [50, 50, 20]
    assert [*chain(*found)] == [f"O{number:03}" for number in range(120)]
    assert "120 rows" in first.text
    assert third.all("a", rel="next") == []
    back = visitor.see(third.one("a", rel="prev")["href"])
    assert [each.text for each in back.all("th")] == [each.text for each in second.all("th")]


@pytest.mark.parametrize("address", ["/orders?after=junk", "/quarantine?since=junk", "/quarantine/drop?until=junk"])
def test_what_can_not_be_read_is_refused_and_never_widens_the_filter(small_site: WebHarness, address: str) -> None:
    assert "This can’t be read" in PageClient(small_site).see(address, 400).text


def test_the_balance_is_in_sight_and_each_of_its_terms_is_a_link(site: WebHarness) -> None:
    fill(site)
    site.gallery.change("pause")
    site.gallery.store.commit([change_event("stock", product_code="P9")])
    visitor = PageClient(site)
    seen = visitor.see("/")
    terms = [each for each in seen.all("a") if each.attributes.get("class", "").startswith("term")]
    numbers = [int(re.sub(r"\D", "", each.text)) for each in terms]
    assert numbers[0] == sum(numbers[1:]) > 0
    assert "Difference 0" in seen.text
    for link in terms:
        visitor.see(link["href"])


def test_a_refresh_brings_the_regions_and_nothing_around_them(small_site: WebHarness) -> None:
    fill(small_site)
    visitor = PageClient(small_site)
    whole = visitor.see("/")
    part = visitor.see("/", headers={"hx-request": "true", "hx-target": "live"})
    regions = {each["id"] for each in whole.elements if "data-live" in each.attributes}
    assert {each["id"] for each in part.elements if each.attributes.get("hx-swap-oob") == "true"} == regions
    assert len(regions) > 5
    assert (part.all("html"), part.all("header", class_="top")) == ([], [])


def test_a_dialog_is_the_form_alone(small_site: WebHarness) -> None:
    seen = PageClient(small_site).see("/switch/off", headers={"hx-request": "true", "hx-target": "dialog-body"})
    assert [form["action"] for form in seen.all("form")] == ["/switch/off"]
    assert seen.all("html") == []


def test_the_biography_tells_of_every_place_a_key_stands_in(site: WebHarness) -> None:
    fill(site)
    text = PageClient(site).see("/search?text=P1").text
    assert all(part in text for part in ("Missed: Stock", "Products", "version 1 was discarded"))
    assert "Nothing is known of “nowhere”" in PageClient(site).see("/search?text=nowhere").text
    by_document = PageClient(site).see("/search", params={"text": "529.982.247-25"})
    assert "Customers" in by_document.text
    assert CPF not in by_document.answer.text


def test_a_reason_that_a_newer_version_wrote_does_no_harm(small_site: WebHarness) -> None:
    item = RejectedDelivery(
        "main", "stock", Refusal(Reason.NO_VERSION, "", "x"), b"{}", "main.elsewhere", "t", {"n": 1}, False
    )
    small_site.gallery.store.commit([item._replace(domain="elsewhere")])
    assert "elsewhere" in PageClient(small_site).see("/quarantine").text


def test_a_chart_shades_when_something_was_off(site: WebHarness) -> None:
    visitor = PageClient(site)
    assert json.loads(visitor.see("/").one("table", id="chart-table")["data-off"]) == []
    site.gallery.miss("P1")
    site.gallery.change("pause", domains=["prices"])
    for room, ends in (("/", [True, False]), ("/?domain=stock", [True]), ("/ledger?domain=prices&range=day", [False])):
        shades = json.loads(visitor.see(room).one("table", id="chart-table")["data-off"])
        assert [bool(until) for _, until in shades] == ends, room


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_viewer_may_read_a_question_but_has_no_button_to_answer_it(small_site: WebHarness, question: str) -> None:
    fill(small_site)

    def buttons(role: Role) -> int:
        main = PageClient(small_site, role).see(question, headers={"hx-request": "true", "hx-target": "dialog-body"})
        return len(main.all("button", type="submit"))

    assert (buttons(Role.VIEWER), buttons(Role.OPERATOR)) == (0, 1)
