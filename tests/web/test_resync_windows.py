"""Windows of time over HTTP: what is asked for, and what is refused."""

from __future__ import annotations

import pytest

from tests.support.web_harness import WebHarness

PATH = "/api/missed/resync/window"
SINCE = "2026-11-23T07:00:00Z"


def test_a_window_is_counted_and_requested(web: WebHarness) -> None:
    web.request("POST", "/api/shops", json={"shop": "north"})
    dry = web.request("POST", PATH, json={"since": SINCE, "dry_run": True})
    assert (dry.status_code, dry.json()) == (200, {"messages": 7})
    web.storage.change("pause", domains=["stock"])
    refused = web.request("POST", PATH, json={"since": SINCE, "domain": "stock"})
    assert (refused.status_code, "north/stock is off" in refused.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"since": "2026-11-23T07:00:00"},
        {"since": SINCE, "until": SINCE},
        {"since": "2999-01-01T00:00:00Z"},
        {"since": SINCE, "domain": "orders"},
    ],
)
def test_what_is_no_window_is_refused(web: WebHarness, body: dict[str, str]) -> None:
    assert web.request("POST", PATH, json=body).status_code == 400


def test_an_unknown_shop_is_named(web: WebHarness) -> None:
    web.request("POST", "/api/shops", json={"shop": "north"})
    refused = web.request("POST", PATH, json={"since": SINCE, "shop": "nroth"})
    assert (refused.status_code, "did you mean north?" in refused.json()["detail"]) == (409, True)
