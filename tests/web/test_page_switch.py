"""Switching on the page: the forms do what they say, in exactly the scope that they name, and say what came of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.control import SwitchState
from tests.support.page_client import Visitor
from tests.support.web_harness import Site


def off(site: Site) -> list[SwitchState]:
    return [switch for switch in site.database.views.status().switches if switch.off]


def scopes(site: Site) -> list[tuple[str, str]]:
    return [(switch.shop, switch.domain) for switch in off(site)]


def form(visitor: Visitor, **filled: Any) -> dict[str, Any]:
    return {**visitor.see("/switch/off").form("/switch/off"), "reason": "maintenance", **filled}


def test_the_form_as_it_stands_switches_everything_off_for_an_hour(site: Site) -> None:
    visitor = Visitor(site)
    seen = visitor.send("/switch/off", **form(visitor))
    assert "The integration is off" in seen.text
    [switch] = off(site)
    assert (switch.shop, switch.domain, switch.reason, switch.by) == ("*", "*", "maintenance", "ana")
    assert switch.since is not None
    assert switch.until is not None
    assert timedelta(minutes=59) < switch.until - switch.since <= timedelta(minutes=60, seconds=1)
    [entry] = site.database.views.audit()
    assert (entry["action"], entry["by"], entry["user_id"], entry["source"]) == ("pause", "ana", "ana", "http")


def test_a_shop_and_some_domains_are_switched_off_alone(site: Site) -> None:
    site.gallery.miss("P1")
    visitor = Visitor(site)
    filled = form(visitor, shop="main", which="some", domains=["stock", "prices"], end="open")
    visitor.send("/switch/off", **filled)
    assert scopes(site) == [("main", "prices"), ("main", "stock")]
    assert [switch.until for switch in off(site)] == [None, None]


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
    ],
)
def test_a_form_that_can_not_be_used_comes_back_with_the_fault_and_what_was_filled_in(
    small_site: Site, filled: dict[str, Any], says: str
) -> None:
    visitor = Visitor(small_site)
    seen = visitor.send("/switch/off", 422, **form(visitor, **filled))
    assert says in seen.one("p", role="alert").text
    assert seen.one("input", id="reason")["value"] == filled.get("reason", "maintenance")
    assert off(small_site) == []


def test_until_is_the_moment_that_the_browser_means(small_site: Site) -> None:
    visitor, at = Visitor(small_site), datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    local = (at - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M")
    visitor.send("/switch/off", **form(visitor, end="until", until=local, until_utc=at.isoformat()))
    assert [switch.until for switch in off(small_site)] == [at]


def test_a_form_that_is_sent_twice_changes_nothing_the_second_time(small_site: Site) -> None:
    visitor = Visitor(small_site)
    filled = form(visitor)
    visitor.send("/switch/off", **filled)
    small_site.gallery.change("resume")
    assert "Already in this state" in visitor.send("/switch/off", **filled).text
    assert off(small_site) == []


def test_switching_on_says_what_was_missed_and_leads_to_the_repair_sheet(site: Site) -> None:
    site.gallery.miss("P1", "P2")
    visitor = Visitor(site)
    visitor.send("/switch/off", **form(visitor))
    seen = visitor.see("/switch/on")
    assert "Missed: Stock 2" in seen.text
    done = visitor.send("/switch/on", **{**seen.form("/switch/on"), "reason": "finished"})
    assert [link["href"] for link in done.all("a", class_="button strong")] == ["/repairs"]
    assert off(site) == []


def test_only_what_is_chosen_is_switched_on_and_the_rest_is_named(site: Site) -> None:
    site.gallery.change("pause", domains=["stock", "orders"])
    site.gallery.change("pause", shop="main", domains=["stock"])
    visitor = Visitor(site)
    seen = visitor.see("/switch/on", params={"scope": ["*/stock"]})
    checked = [each["value"] for each in seen.all("input", name="scope") if "checked" in each.attributes]
    assert [value.rsplit("/", 1)[0] for value in checked] == ["*/stock"]
    done = visitor.send("/switch/on", scope=checked, reason="finished")
    assert "Still off: Stock in shop main" in done.text
    assert scopes(site) == [("*", "orders"), ("main", "stock")]


def test_with_several_switches_off_none_is_chosen_by_itself(small_site: Site) -> None:
    small_site.gallery.change("pause", domains=["stock", "orders"])
    visitor = Visitor(small_site)
    seen = visitor.see("/switch/on")
    assert seen.form("/switch/on").get("scope") is None
    visitor.send("/switch/on", 422, reason="finished")
    assert len(off(small_site)) == 2


def test_a_switch_that_was_turned_since_is_not_switched_on(small_site: Site) -> None:
    small_site.gallery.change("pause")
    visitor = Visitor(small_site)
    filled = {**visitor.see("/switch/on").form("/switch/on"), "reason": "finished"}
    small_site.gallery.change("resume")
    small_site.gallery.change("pause")
    seen = visitor.send("/switch/on", 422, **filled)
    assert "A switch has changed in the meantime" in seen.one("p", role="alert").text
    assert scopes(small_site) == [("*", "*")]


def paused(site: Site, visitor: Visitor, **filled: Any) -> dict[str, Any]:
    """Switches off for half an hour; returns the form of the banner."""
    visitor.send("/switch/off", **form(visitor, end="30", **filled))
    return visitor.see("/").form("/switch/extend")


def test_half_an_hour_more_moves_the_end_once_however_often_it_is_clicked(site: Site) -> None:
    visitor = Visitor(site)
    more = paused(site, visitor, which="some", domains=["stock", "prices"])
    before = [switch.until for switch in off(site)]
    visitor.send("/switch/extend", **more)
    after = [switch.until for switch in off(site)]
    assert after == [until + timedelta(minutes=30) for until in before if until]
    visitor.send("/switch/extend", 409, **more)
    assert [switch.until for switch in off(site)] == after


def test_half_an_hour_more_never_switches_off_what_was_switched_on(small_site: Site) -> None:
    visitor = Visitor(small_site)
    more = paused(small_site, visitor)
    small_site.gallery.change("resume")
    visitor.send("/switch/extend", 409, **more)
    assert off(small_site) == []


def test_the_reminder_is_a_calendar_file_and_there_is_none_for_what_is_on(small_site: Site) -> None:
    visitor = Visitor(small_site, language="pt-BR")
    small_site.gallery.change("pause", until=(datetime.now(UTC) + timedelta(hours=2)).isoformat())
    [link] = [each["href"] for each in visitor.see("/").all("a") if "reminder" in each.attributes.get("href", "")]
    answer = visitor.ask("GET", link)
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "SUMMARY:Comporta: a integração está desligada" in answer.text
    small_site.gallery.change("resume")
    assert visitor.see(link, 404).text


def test_the_cost_is_told_from_what_came_in_before(site: Site) -> None:
    visitor = Visitor(site)
    assert "Little data" in visitor.see("/switch/cost", params={"end": "120"}).text
    assert "Choose at least one domain" in visitor.see("/switch/cost", params={"which": "some"}).text
    assert "per hour of the pause" in visitor.see("/switch/cost", params={"end": "open"}).text


def test_the_header_says_partly_off_and_the_banner_groups_what_was_turned_together(small_site: Site) -> None:
    small_site.gallery.change("pause", domains=["stock", "prices"])
    seen = Visitor(small_site).see("/")
    assert seen.one("div", id="integration")["data-state"] == "partly"
    [banner] = [each for each in seen.all("section") if each.attributes.get("class", "").startswith("banner")]
    assert banner["aria-label"] == "Switched off: Prices, Stock in every shop"


def test_every_domain_off_alone_is_off(small_site: Site) -> None:
    domains = ["products", "images", "packagings", "price_tables", "prices", "stock", "customers", "orders"]
    small_site.gallery.change("pause", domains=domains)
    assert Visitor(small_site).see("/").one("div", id="integration")["data-state"] == "off"
