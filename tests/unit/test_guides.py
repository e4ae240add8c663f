"""What people read stays true to the program: links lead somewhere, and both languages name the same things."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from comporta.runtime.settings import PREFIX, Settings
from tests.support.event_samples import sample_event

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, PORTUGUESE = ROOT / "README.md", ROOT / "README.pt-BR.md"
GUIDE = ROOT / "docs" / "operations.md"
MOST_BYTES = 180_000


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made on the web."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [ENGLISH, PORTUGUESE, GUIDE], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_each_alert_leads_to_a_section_of_the_guide() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    targets = [rule["annotations"]["runbook_url"] for group in rules["groups"] for rule in group["rules"]]
    assert targets
    for target in targets:
        path, _, anchor = target.partition("#")
        assert (ROOT / path, anchor in anchors(GUIDE)) == (GUIDE, True), target


@pytest.mark.parametrize("page", [ENGLISH, PORTUGUESE], ids=lambda page: page.name)
def test_a_readme_names_every_setting_and_no_other(page: Path) -> None:
    table = [line for line in page.read_text().splitlines() if line.startswith(f"| `{PREFIX}")]
    named = {name for line in table for name in re.findall(rf"{PREFIX}(\w+)", line.split("|")[1])}
    assert named == {name.upper() for name in Settings.model_fields}


def test_both_readmes_show_the_same_commands() -> None:
    def commands(page: Path) -> list[list[str]]:
        rows = [line for line in page.read_text().splitlines() if line.startswith("| `comporta")]
        # What a person fills in is translated; what the program knows is not.
        return [re.findall(r"\b[a-z-]{3,}\b", re.sub(r"\b[A-Z]{2,}\b", "", line.split(" | ")[0])) for line in rows]

    assert commands(ENGLISH) == commands(PORTUGUESE)
    assert len(commands(ENGLISH)) > 15


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert {picture.suffix for picture in pictures} == {".png"}
    assert [picture.name for picture in pictures if picture.stat().st_size > MOST_BYTES] == []


@pytest.mark.parametrize("page", [ENGLISH, PORTUGUESE], ids=["en", "pt-BR"])
def test_the_python_snippet_takes_text_and_bytes_and_shows_what_is_refused(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snippet = page.read_text().split("```python\n")[1].split("```")[0]
    good = sample_event("stock")
    bad = good.replace(b'"unit"', b'"of_unit"')
    texts = [good, good.decode(), bad, bad.decode()]
    # On the embedded broker: what a message does on a real one, other tests see.
    exec(snippet.replace(snippet.split('Publisher("')[1].split('"')[0], "memory://"), {"texts": texts})
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("missing_field at /data/unit")] == lines[:2]
