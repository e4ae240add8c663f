"""What lies under `docs/contract` is what the program would write now, and `comporta schema` writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from comporta.cli.main import app
from schemas.asyncapi import asyncapi_document
from schemas.contract import contract_files
from schemas.domains import DOMAINS
from schemas.json_schema import event_schemas
from schemas.reason_docs import reason_docs
from schemas.reasons import REASONS_PAGE, Reason, Refusal
from schemas.warning_docs import WARNING_DOCS
from schemas.warnings import WARNINGS_PAGE, WarningCode
from tests.support.contract_samples import CONTRACT
from tests.support.programs import running_programs

runner = CliRunner()
FILES = contract_files()
COMMAND = "comporta schema --out docs/contract"


@pytest.mark.parametrize("name", FILES)
def test_a_generated_file_is_up_to_date(name: str) -> None:
    path = CONTRACT / name
    assert path.exists(), f"{name} is missing: run `{COMMAND}`"
    assert path.read_text(encoding="utf-8") == FILES[name], f"{name} is out of date: run `{COMMAND}`"


def test_no_schema_lies_about_that_nothing_writes() -> None:
    there = {path.relative_to(CONTRACT).as_posix() for path in (CONTRACT / "schemas").iterdir()}
    assert there == {name for name in FILES if name.startswith("schemas/")}, "delete what is left over"


def test_no_file_names_a_host() -> None:
    dialect = "https://json-schema.org/draft/2020-12/schema"
    for name, text in FILES.items():
        assert re.findall(r"https?://(?![a-z.]+\.example/)[a-z]", text.replace(dialect, "")) == [], name


def test_every_reason_has_one_meaning_and_a_place_on_the_page() -> None:
    assert sorted(meaning.reason for meaning in reason_docs()) == sorted(Reason)
    headings = re.findall(r"^### (\w+)$", (CONTRACT / "reasons.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [f"{REASONS_PAGE}#{heading}" for heading in headings] == [meaning.reason.doc for meaning in reason_docs()]


def test_every_warning_has_one_meaning_and_a_place_on_the_page() -> None:
    assert sorted(doc.code for doc in WARNING_DOCS) == sorted(WarningCode)
    headings = re.findall(r"^### (\w+)$", (CONTRACT / "warnings.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [f"{WARNINGS_PAGE}#{heading}" for heading in headings] == [doc.code.doc for doc in WARNING_DOCS]


@pytest.mark.parametrize("page", ["reasons", "warnings"])
def test_both_languages_have_the_same_codes_in_the_same_order(page: str) -> None:
    english, portuguese = (
        re.findall(r"^### (\w+)$", (CONTRACT / f"{page}{language}.md").read_text(encoding="utf-8"), re.MULTILINE)
        for language in ("", ".pt-BR")
    )
    assert english == portuguese


def test_a_page_names_the_file_that_it_is_made_from() -> None:
    for page in ("reasons.md", "reasons.pt-BR.md", "warnings.md", "warnings.pt-BR.md"):
        source = re.search(r"`(schemas/\w+\.py)`", FILES[page])
        assert source is not None
        assert (CONTRACT.parents[1] / source[1]).exists(), page


def test_a_refusal_tells_programs_where_its_reason_is_explained() -> None:
    refusal = Refusal(Reason.GTIN_CHECK_DIGIT, "/data/gtin", "must be right")
    assert refusal.as_json() == {
        "reason": "gtin_check_digit",
        "pointer": "/data/gtin",
        "sentence": "must be right",
        "doc": "/docs/reasons#gtin_check_digit",
    }


class TestTheCommand:
    @pytest.mark.parametrize(
        ("arguments", "document"),
        [
            ((), event_schemas()),
            (("--domain", "stock"), event_schemas(DOMAINS["stock"])),
            (("--asyncapi",), asyncapi_document()),
        ],
    )
    def test_prints_one_document(self, arguments: tuple[str, ...], document: object) -> None:
        assert json.loads(runner.invoke(app, ["schema", *arguments]).stdout) == document

    def test_writes_everything_as_files(self, tmp_path: Path) -> None:
        with running_programs(tmp_path) as programs:
            assert programs.run("schema", "--out", "made/here").code == 0
        made = tmp_path / "made" / "here"
        assert {name: (made / name).read_text(encoding="utf-8") for name in FILES} == FILES

    @pytest.mark.parametrize(
        "arguments", [("--domain", "stocks"), ("--domain", "receipts"), ("--asyncapi", "--domain", "stock")]
    )
    def test_refuses_what_it_does_not_know(self, arguments: tuple[str, ...]) -> None:
        done = runner.invoke(app, ["schema", *arguments])
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("comporta: ")

    def test_says_when_it_cannot_write(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        done = runner.invoke(app, ["schema", "--out", str(tmp_path / "file" / "inside")])
        assert done.exit_code == 1
        assert "can't write" in done.stderr
