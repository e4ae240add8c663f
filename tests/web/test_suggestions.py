"""Suggestions on the page: options while one types, and links where nothing was found."""

from __future__ import annotations

from comporta.web.request import Role
from tests.support.page_client import PageClient
from tests.support.views_harness import change_event
from tests.support.web_harness import WebHarness


def test_a_part_of_a_name_leads_to_its_code(web: WebHarness) -> None:
    web.storage.store.commit([change_event("products", code="P<1>", name="Café & pão")])
    client = PageClient(web, Role.VIEWER)
    options = client.get_page("/search/suggest?text=caf").all("option")
    assert [(option["value"], option.text) for option in options] == [("P<1>", "Products: Café & pão · main")]
    page = client.get_page("/search?text=caf")
    assert "Did you mean: P<1> (Café & pão)" in page.text
    assert client.get_page("/search?text=P%3C1%3E").all("section")
    assert client.get_page("/search/suggest?text=%00").all("option") == []
