"""Switching on the page: the forms do what they say, in exactly the scope that they name, and say what came of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.control import SwitchState
from storage.views import AuditFilter
from tests.support.page_client import PageClient
from tests.support.web_harness import WebHarness


def off(web: WebHarness) -> list[SwitchState]:
    return [switch for switch in web.database.views.status().switches if switch.off]


def scopes(web: WebHarness) -> list[tuple[str, str]]:
    return [(switch.shop, switch.domain) for switch in off(web)]


def form(client: PageClient, **filled: Any) -> dict[str, Any]:
    return {**client.get_page("/switch/off").form("/switch/off"), "reason": "maintenance", **filled}


def test_the_form_as_it_stands_switches_everything_off_for_an_hour(web: WebHarness) -> None:
    client = PageClient(web)
    page = client.post_form("/switch/off", **form(client))
    assert "The integration is off" in page.text
    [switch] = off(web)
    assert (switch.shop, switch.domain, switch.reason, switch.by) == ("*", "*", "maintenance", "ana")
    assert switch.since is not None
    assert switch.until is not None
    assert timedelta(minutes=59) < switch.until - switch.since <= timedelta(minutes=60, seconds=1)
    [entry] = web.database.views.rows(AuditFilter())
    assert (entry["action"], entry["by"], entry["user_id"], entry["source"]) == ("pause", "ana", "ana", "http")


def test_a_shop_and_some_domains_are_switched_off_alone(web: WebHarness) -> None:
    web.storage.discard("P1")
    client = PageClient(web)
    filled = form(client, shop="main", which="some", domains=["stock", "prices"], end="open")
    client.post_form("/switch/off", **filled)
    assert scopes(web) == [("main", "prices"), ("main", "stock")]
    assert [switch.until for switch in off(web)] == [None, None]


@pytest.mark.parametrize(
    ("filled", "says"),
    [
        ({"reason": "  "}, "Enter a reason"),
        ({"which": "some", "domains": []}, "Choose at least one domain"),
        ({"which": "some", "domains": ["nothing"]}, "request is refused"),
        ({"shop": "No Shop"}, "request is refused"),
        ({"reason": "x" * 501}, "request is refused"),
        ({"end": ""}, "Choose when the pause ends"),
        ({"end": "until"}, "Enter the date and time"),
        ({"end": "until", "until": "2020-01-01T00:00"}, "must be in the future"),
        ({"end": "until", "until": "9999-01-01T00:00"}, "within a year"),
        ({"begin": "at"}, "date and time of the beginning"),
        ({"begin": "at", "from_at": "2020-01-01T00:00"}, "beginning must be in the future"),
    ],
)
def test_a_form_that_can_not_be_used_comes_back_with_the_fault_and_what_was_filled_in(
    sqlite_web: WebHarness, filled: dict[str, Any], says: str
) -> None:
    client = PageClient(sqlite_web)
    page = client.post_form("/switch/off", 422, **form(client, **filled))
    assert says in page.one("p", role="alert").text
    assert page.one("input", id="reason")["value"] == filled.get("reason", "maintenance")
    assert off(sqlite_web) == []


def test_until_is_the_moment_that_the_browser_means(sqlite_web: WebHarness) -> None:
    client, at = PageClient(sqlite_web), datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    local = (at - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M")
    client.post_form("/switch/off", **form(client, end="until", until=local, until_utc=at.isoformat()))
    assert [switch.until for switch in off(sqlite_web)] == [at]


def test_a_form_that_is_sent_twice_changes_nothing_the_second_time(sqlite_web: WebHarness) -> None:
    client = PageClient(sqlite_web)
    filled = form(client)
    client.post_form("/switch/off", **filled)
    sqlite_web.storage.change("resume")
    assert "Already in this state" in client.post_form("/switch/off", **filled).text
    assert off(sqlite_web) == []


def test_switching_on_says_what_was_missed_and_leads_to_the_repair_sheet(web: WebHarness) -> None:
    web.storage.discard("P1", "P2")
    client = PageClient(web)
    client.post_form("/switch/off", **form(client))
    page = client.get_page("/switch/on")
    assert "Missed: Stock 2" in page.text
    done = client.post_form("/switch/on", **{**page.form("/switch/on"), "reason": "finished"})
    assert [link["href"] for link in done.all("a", class_="button strong")] == ["/missed/resync"]
    assert "/repairs" in [link["href"] for link in done.all("a", class_="button")]
    asks = client.get_page("/missed/resync")
    assert "Request 2 keys" in asks.text
    client.post_form("/missed/resync", **asks.form("/missed/resync"))
    assert len(web.published) == 1
    assert "answered: 0 of 2" in client.get_page("/repairs").text
    assert off(web) == []


def test_only_what_is_chosen_is_switched_on_and_the_rest_is_named(web: WebHarness) -> None:
    web.storage.change("pause", domains=["stock", "orders"])
    web.storage.change("pause", shop="main", domains=["stock"])
    client = PageClient(web)
    page = client.get_page("/switch/on", params={"scope": ["*/stock"]})
    checked = [each["value"] for each in page.all("input", name="scope") if "checked" in each.attributes]
    assert [value.rsplit("/", 1)[0] for value in checked] == ["*/stock"]
    done = client.post_form("/switch/on", scope=checked, reason="finished")
    assert "Still off: Stock in shop main" in done.text
    assert scopes(web) == [("*", "orders"), ("main", "stock")]


def test_with_several_switches_off_none_is_chosen_by_itself(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.change("pause", domains=["stock", "orders"])
    client = PageClient(sqlite_web)
    page = client.get_page("/switch/on")
    assert page.form("/switch/on").get("scope") is None
    client.post_form("/switch/on", 422, reason="finished")
    assert len(off(sqlite_web)) == 2


def test_a_switch_that_was_turned_since_is_not_switched_on(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.change("pause")
    client = PageClient(sqlite_web)
    filled = {**client.get_page("/switch/on").form("/switch/on"), "reason": "finished"}
    sqlite_web.storage.change("resume")
    sqlite_web.storage.change("pause")
    page = client.post_form("/switch/on", 422, **filled)
    assert "A switch has changed in the meantime" in page.one("p", role="alert").text
    assert scopes(sqlite_web) == [("*", "*")]


def test_a_dialog_from_before_another_pause_changes_nothing(web: WebHarness) -> None:
    client, end = PageClient(web), datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    filled = form(client, end="open", change_end="1")
    web.storage.change("pause", until=end.isoformat(), by="bia")
    page = client.post_form("/switch/off", 422, **filled)
    assert "A switch has changed in the meantime" in page.one("p", role="alert").text
    assert [(switch.until, switch.by) for switch in off(web)] == [(end, "bia")]


def test_a_second_pause_leaves_the_end_of_the_first_unless_it_is_ticked(web: WebHarness) -> None:
    client, end = PageClient(web), datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    web.storage.change("pause", until=end.isoformat(), by="bia")
    page = client.post_form("/switch/off", **form(client, end="open"))
    assert "nothing has changed" in page.text
    assert [switch.until for switch in off(web)] == [end]
    page = client.post_form("/switch/off", **form(client, end="open", change_end="1"))
    assert "only its end has changed" in page.text
    [switch] = off(web)
    assert (switch.until, switch.by) == (None, "bia")
    assert switch.end_change is not None
    assert (switch.end_change.before, switch.end_change.by) == (end, "ana")
    [entry, *_] = web.database.views.rows(AuditFilter())
    assert entry["subject"] == f"*/*: {end.isoformat().replace('+00:00', 'Z')} → no end"
    assert "The end was changed by ana: no end (before: until" in client.get_page("/").answer.text


def test_a_pause_of_which_part_is_off_asks_whether_the_end_of_that_part_changes(sqlite_web: WebHarness) -> None:
    client = PageClient(sqlite_web)
    sqlite_web.storage.change("pause", domains=["stock"])
    filled = form(client, which="some", domains=["stock", "prices"], end="60")
    page = client.post_form("/switch/off", 422, **filled)
    assert "Part of this is off already" in page.one("p", role="alert").text
    assert scopes(sqlite_web) == [("*", "stock")]
    client.post_form("/switch/off", **{**page.form("/switch/off"), "domains": ["stock", "prices"], "change_end": "1"})
    assert scopes(sqlite_web) == [("*", "prices"), ("*", "stock")]
    assert None not in [switch.until for switch in off(sqlite_web)]


def test_a_pause_is_planned_shown_before_it_begins_and_dropped(web: WebHarness) -> None:
    client, at = PageClient(web), datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    filled = form(client, which="some", domains=["stock", "prices"], begin="at", from_at_utc=at.isoformat(), end="60")
    assert "The pause is planned" in client.post_form("/switch/off", **filled).text
    assert off(web) == []
    plans = web.database.views.status().planned
    assert [(plan.domain, plan.begins, plan.until) for plan in plans] == [
        (domain, at, at + timedelta(hours=1)) for domain in ("prices", "stock")
    ]
    [banner] = client.get_page("/").all("section", class_="banner planned")
    assert banner["aria-label"] == "Planned: Prices, Stock in every shop"
    page = client.get_page("/switch/on", params={"scope": ["*/stock", "*/prices"]})
    chosen = [each["value"] for each in page.all("input", name="scope") if "checked" in each.attributes]
    assert len(chosen) == 2
    done = client.post_form("/switch/on", scope=chosen, reason="not needed")
    assert "The plan is dropped" in done.text
    assert web.database.views.status().planned == []
    client.post_form("/switch/on", 422, scope=chosen, reason="not needed")


def test_a_weekly_pause_needs_an_end_and_says_that_it_comes_back(sqlite_web: WebHarness) -> None:
    client, at = PageClient(sqlite_web), datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    later = {"begin": "at", "from_at_utc": at.isoformat(), "weekly": "1"}
    page = client.post_form("/switch/off", 422, **form(client, **later, end="open"))
    assert "A weekly pause ends within a week" in page.one("p", role="alert").text
    assert "every week" in client.post_form("/switch/off", **form(client, **later, end="60")).text
    assert [plan.weekly for plan in sqlite_web.database.views.status().planned] == [True]
    assert "every week" in client.get_page("/").answer.text


def paused(web: WebHarness, client: PageClient, **filled: Any) -> dict[str, Any]:
    """Switches off for half an hour; returns the form of the banner."""
    client.post_form("/switch/off", **form(client, end="30", **filled))
    return client.get_page("/").form("/switch/extend")


def test_half_an_hour_more_moves_the_end_once_however_often_it_is_clicked(web: WebHarness) -> None:
    client = PageClient(web)
    more = paused(web, client, which="some", domains=["stock", "prices"])
    before = [switch.until for switch in off(web)]
    client.post_form("/switch/extend", **more)
    after = [switch.until for switch in off(web)]
    assert after == [until + timedelta(minutes=30) for until in before if until]
    client.post_form("/switch/extend", 409, **more)
    assert [switch.until for switch in off(web)] == after


def test_half_an_hour_more_never_switches_off_what_was_switched_on(sqlite_web: WebHarness) -> None:
    client = PageClient(sqlite_web)
    more = paused(sqlite_web, client)
    sqlite_web.storage.change("resume")
    client.post_form("/switch/extend", 409, **more)
    assert off(sqlite_web) == []


def test_the_reminder_is_a_calendar_file_and_there_is_none_for_what_is_on(sqlite_web: WebHarness) -> None:
    client = PageClient(sqlite_web, language="pt-BR")
    sqlite_web.storage.change("pause", until=(datetime.now(UTC) + timedelta(hours=2)).isoformat())
    [link] = [each["href"] for each in client.get_page("/").all("a") if "reminder" in each.attributes.get("href", "")]
    answer = client.request("GET", link)
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "SUMMARY:Comporta: a integração está desligada" in answer.text
    sqlite_web.storage.change("resume")
    assert client.get_page(link, 404).text


def test_the_cost_is_told_from_what_came_in_before(web: WebHarness) -> None:
    client = PageClient(web)
    assert "Little data" in client.get_page("/switch/cost", params={"end": "120"}).text
    assert "Choose at least one domain" in client.get_page("/switch/cost", params={"which": "some"}).text
    assert "per hour of the pause" in client.get_page("/switch/cost", params={"end": "open"}).text


def test_the_header_says_partly_off_and_the_banner_groups_what_was_turned_together(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.consume()
    sqlite_web.storage.change("pause", domains=["stock", "prices"])
    page = PageClient(sqlite_web).get_page("/")
    assert page.one("div", id="integration")["data-state"] == "partly"
    banners = [each for each in page.all("section") if each.attributes.get("class", "").startswith("banner")]
    # The other one says that nothing takes messages: there is no worker here.
    [banner] = [each for each in banners if each.attributes.get("id") != "consumption"]
    assert banner["aria-label"] == "Switched off: Prices, Stock in every shop"


def test_every_domain_off_alone_is_off(sqlite_web: WebHarness) -> None:
    domains = ["products", "images", "packagings", "price_tables", "prices", "stock", "customers", "orders"]
    sqlite_web.storage.change("pause", domains=domains)
    assert PageClient(sqlite_web).get_page("/").one("div", id="integration")["data-state"] == "off"


def test_several_shops_are_switched_off_together(web: WebHarness) -> None:
    for shop in ("north", "south", "west"):
        web.storage.discard("P1", shop=shop)
    client = PageClient(web)
    filled = form(client, shops=["north", "south, north"], which="some", domains=["stock"], end="open")
    page = client.post_form("/switch/off", **filled)
    assert "Stock in shop north; Stock in shop south" in page.text
    assert scopes(web) == [("north", "stock"), ("south", "stock")]
    # The same form again changes nothing, and one unknown name switches nothing off.
    client.post_form("/switch/off", **filled)
    assert "Not every shop is known" in client.post_form("/switch/off", 422, **form(client, shops=["west nort"])).text
    assert scopes(web) == [("north", "stock"), ("south", "stock")]
    cost = client.get_page("/switch/cost?shops=north&shops=south")
    assert "changes discarded" in cost.text
