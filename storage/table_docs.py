"""Documentation of tables and columns: the comments of the metadata, for the database and for `docs/tables.md`."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import MetaData

from storage.entity_docs import ENTITY_DOCS, VERSION_DOCS, TableDoc
from storage.feed_docs import FEED_DOCS
from storage.history_docs import HISTORY_DOCS
from storage.job_docs import JOB_DOCS
from storage.reminder_docs import REMINDER_DOCS
from storage.system_docs import SYSTEM_DOCS
from storage.upkeep_docs import UPKEEP_DOCS

__all__ = ["TABLE_DOCS", "add_comments"]

TABLE_DOCS: Mapping[str, TableDoc] = {
    **{name: (text, {**VERSION_DOCS, **columns}) for name, (text, columns) in ENTITY_DOCS.items()},
    **FEED_DOCS,
    **HISTORY_DOCS,
    **JOB_DOCS,
    **REMINDER_DOCS,
    **SYSTEM_DOCS,
    **UPKEEP_DOCS,
}


def add_comments(metadata: MetaData) -> None:
    """Give every table and column its description as comment."""
    for table in metadata.tables.values():
        table.comment, columns = TABLE_DOCS.get(table.name, (None, {}))
        for column in table.columns:
            column.comment = columns.get(column.name)
