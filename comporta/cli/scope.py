"""Database and rows of one shop's domain, for the commands that read a whole table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from comporta.cli.output import fail
from comporta.runtime.settings import Settings
from storage.engine import masked

if TYPE_CHECKING:
    from storage.database import Database
    from storage.entity_rows import EntityRows

__all__ = ["opened"]


@contextmanager
def opened(settings: Settings, shop: str, domain: str) -> Iterator[tuple[Database, EntityRows]]:
    """Open the database of the settings, with the rows of a shop's domain; fail by name if either is unknown."""
    # Loaded here: Alembic and the tables are slow to load, and most commands need neither.
    from storage.database import open_database
    from storage.entity_rows import EntityRows

    database = open_database(settings.database_url)
    try:
        if not database.is_there:
            where = masked(settings.database_url)
            raise fail(f"{where} does not exist; COMPORTA_DATABASE_URL names the database")
        database.require_current()
        rows = EntityRows(database.fence, shop, domain)
        if not rows.shop_is_known:
            raise typer.BadParameter(f"--shop: {shop} is not known: no event of it has been received")
        yield database, rows
    finally:
        database.close()
