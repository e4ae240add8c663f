"""Pages of reasons and warnings: what the links of refusals lead to, without a login and in two languages."""

from __future__ import annotations

import re

import pytest

from schemas.reasons import Reason
from schemas.warnings import WarningCode
from tests.support.web_harness import WebHarness


@pytest.mark.parametrize(
    ("links", "path"),
    [([reason.doc for reason in Reason], "/docs/reasons"), ([code.doc for code in WarningCode], "/docs/warnings")],
)
@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_every_link_leads_to_its_heading(sqlite_web: WebHarness, links: list[str], path: str, language: str) -> None:
    page = sqlite_web.request("GET", path, params={"lang": language})
    assert page.status_code == 200
    assert f'<html lang="{language}">' in page.text
    headings = re.findall(r'<h3 id="([a-z_0-9]+)">', page.text)
    assert sorted(links) == sorted(f"{path}#{heading}" for heading in headings)
    assert "comporta schema" not in page.text


def test_the_language_is_the_browsers_and_the_other_is_a_link(sqlite_web: WebHarness) -> None:
    page = sqlite_web.request("GET", "/docs/reasons", headers={"Accept-Language": "pt-BR,pt;q=0.9"})
    assert "<h1>Motivos</h1>" in page.text
    assert re.search(r'<a href="[^"]*/docs/reasons\?lang=en">', page.text)
