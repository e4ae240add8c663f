"""A person's erasure over HTTP, as the operator who is signed in; the document stands in no address and no answer."""

from __future__ import annotations

import pytest

from storage.views import AuditFilter
from tests.support.web_harness import WebHarness


def test_a_person_is_erased_after_a_dry_run(web: WebHarness) -> None:
    body = {"document": "529.982.247-25", "dry_run": True}
    dry = web.request("POST", "/api/person/erase", json=body)
    assert (dry.status_code, dry.json()) == (200, {"rows": {}, "erased": 0, "stays": [], "orders": []})
    assert web.database.views.rows(AuditFilter()) == []
    done = web.request("POST", "/api/person/erase", json={**body, "dry_run": False, "reason": "of 52998224725"})
    assert "52998224725" not in done.text
    [entry] = web.database.views.rows(AuditFilter())
    assert (entry["action"], entry["source"], entry["reason"]) == ("person-erase", "http", "of (erased)")


@pytest.mark.parametrize("body", [{}, {"document": ""}, {"document": "--"}, {"document": "1", "shop": "No Shop"}])
def test_a_request_that_names_nobody_is_refused(web: WebHarness, body: dict[str, str]) -> None:
    assert web.request("POST", "/api/person/erase", json=body).status_code == 400
