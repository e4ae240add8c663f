"""Every table of the database, with its description as comment."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from sqlalchemy import MetaData

from storage.metadata import metadata
from storage.table_docs import add_comments

__all__ = ["every_table"]


@cache
def every_table() -> MetaData:
    """Return the metadata once all modules with tables and indexes have added theirs."""
    for path in sorted(Path(__file__).parent.glob("*tables.py")):
        if path.stem != Path(__file__).stem:
            import_module(f"storage.{path.stem}")
    import_module("storage.partial_indexes")
    add_comments(metadata)
    return metadata
