"""docs/tables.md is what the models give, and describes every table, view and column."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from comporta.cli.main import app
from storage.all_tables import every_table
from storage.entity_tables import ENTITY_TABLES
from storage.grants import READABLE
from storage.sql_views import SQL_VIEWS
from storage.table_docs import TABLE_DOCS
from storage.tables_page import PAGE

TEXT = (Path(__file__).resolve().parents[2] / PAGE).read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    printed = CliRunner().invoke(app, ["schema", "--tables"]).stdout
    assert printed == TEXT, f"run `comporta schema --tables > {PAGE}`"


def test_every_table_and_column_is_described_and_nothing_else() -> None:
    described = {name: set(columns) for name, (_, columns) in TABLE_DOCS.items()}
    assert described == {table.name: set(table.columns.keys()) for table in every_table().sorted_tables}
    texts = [table.comment for table in every_table().sorted_tables]
    texts += [column.comment for table in every_table().sorted_tables for column in table.columns]
    texts += [view.description for view in SQL_VIEWS.values()]
    texts += [view.comment(name) for view in SQL_VIEWS.values() for name in view.names]
    assert [text for text in texts if text is None or not re.fullmatch(r"[A-Za-z*`].{3,}[.]", text)] == []


def test_the_shops_tables_stand_apart_from_the_others() -> None:
    before, _, after = TEXT.partition("## Other tables")
    headings = re.findall(r"^### (\w+)$", before, re.MULTILINE)
    assert headings == [*SQL_VIEWS, *ENTITY_TABLES, "order_events", "changes", "change_feed"]
    assert set(re.findall(r"^### (\w+)$", after, re.MULTILINE)) == set(every_table().tables) - set(headings)
    assert set(headings) == set(READABLE)
