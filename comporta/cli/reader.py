"""`comporta grant-reader` and `comporta grant-app`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from comporta.cli.output import AsJson, console, fail, print_json
from comporta.runtime.settings import load_settings

if TYPE_CHECKING:
    from storage.database import Database

__all__ = ["grant_application", "grant_reader"]

Role = Annotated[str, typer.Argument(metavar="ROLE", help="An existing role of PostgreSQL.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the statements.")]


def grant_reader(role: Role, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Let a role of the database read the shop's tables and views, and nothing else of Comporta.

    Other rights on Comporta's tables that the role was granted directly are taken away.
    """
    with _current_database() as database:
        granted = database.grant_reader(role, dry_run=dry_run)
    if as_json:
        print_json(granted._asdict())
    else:
        _print_statements(granted.statements)
    if granted.beyond:
        raise fail(
            f"{role} still has rights beyond these, from PUBLIC or from a role that it is a member of: "
            + ", ".join(granted.beyond)
        )


def grant_application(role: Role, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Let a role of the database do all that workers and page do, but not change or migrate the tables.

    Run it as the role that migrates. What later migrations add is granted, too.
    """
    with _current_database() as database:
        statements = database.grant_app(role, dry_run=dry_run)
    if as_json:
        print_json({"statements": statements})
    else:
        _print_statements(statements)


@contextmanager
def _current_database() -> Iterator[Database]:
    # Loaded here: most commands need no database.
    from storage.database import open_database

    database = open_database(load_settings().database_url)
    try:
        database.require_current()
        yield database
    finally:
        database.close()


def _print_statements(statements: Sequence[str]) -> None:
    for statement in statements:
        console.print(statement + ";", markup=False, highlight=False, soft_wrap=True)
