"""Batches of many events: each is counted, and the answer stays small."""

from __future__ import annotations

import json

from comporta.web.api.events import BATCH, MOST_LISTED
from tests.support.web_harness import WebHarness

HEADERS = {"content-type": BATCH}
MOST_BYTES = 500_000


def test_a_batch_of_80_000_bad_events_is_answered_in_bounded_size(sqlite_web: WebHarness) -> None:
    batch = json.dumps([{"specversion": "1.0"}] * 80_000)
    answer = sqlite_web.request("POST", "/events", content=batch, headers=HEADERS)
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["detail"].startswith("80000 of 80000 events are refused; nothing was published")
    assert problem["detail"].endswith(f"the first {MOST_LISTED} are listed")
    assert [error["index"] for error in problem["errors"]] == list(range(MOST_LISTED))
    assert len(answer.content) < MOST_BYTES
    assert not sqlite_web.published


def test_a_few_refusals_are_all_listed(sqlite_web: WebHarness) -> None:
    answer = sqlite_web.request("POST", "/events", content=json.dumps([{}] * 3), headers=HEADERS)
    assert answer.json()["detail"] == "3 of 3 events are refused; nothing was published"
    assert len(answer.json()["errors"]) == 3


def test_a_dry_run_counts_all_and_lists_the_first(sqlite_web: WebHarness) -> None:
    batch = json.dumps([{"specversion": "1.0"}] * 5_000)
    answer = sqlite_web.request("POST", "/events", params={"dry_run": 1}, content=batch, headers=HEADERS)
    found = answer.json()
    assert found["outcomes"] == {"quarantined": 5_000}
    assert [event["index"] for event in found["events"]] == list(range(MOST_LISTED))
    assert len(answer.content) < 2 * MOST_BYTES


def test_a_short_dry_run_only_lists(sqlite_web: WebHarness) -> None:
    answer = sqlite_web.request("POST", "/events", params={"dry_run": 1}, content="[{}]", headers=HEADERS)
    assert list(answer.json()) == ["events"]
