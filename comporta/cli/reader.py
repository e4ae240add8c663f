"""`comporta grant-reader` and `comporta grant-app`."""

from __future__ import annotations

from typing import Annotated

import typer

from comporta.cli.output import AsJson, console, fail, print_json
from comporta.runtime.settings import load_settings

__all__ = ["grant_application", "grant_reader"]


def grant_reader(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="An existing role of PostgreSQL.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the statements.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a role of the database read the shop's tables and views, and nothing else of Comporta.

    Other rights on Comporta's tables that the role was granted directly are taken away.
    """
    # Loaded here: most commands need no database.
    from storage.database import open_database

    database = open_database(load_settings().database_url)
    try:
        database.require_current()
        granted = database.grant_reader(role, dry_run=dry_run)
    finally:
        database.close()
    if as_json:
        print_json(granted._asdict())
    else:
        for statement in granted.statements:
            console.print(statement + ";", markup=False, highlight=False, soft_wrap=True)
    if granted.beyond:
        raise fail(
            f"{role} still has rights beyond these, from PUBLIC or from a role that it is a member of: "
            + ", ".join(granted.beyond)
        )


def grant_application(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="An existing role of PostgreSQL.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the statements.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a role of the database do all that workers and page do, but not change or migrate the tables.

    Run it as the role that migrates. What later migrations add is granted, too.
    """
    from storage.database import open_database

    database = open_database(load_settings().database_url)
    try:
        database.require_current()
        statements = database.grant_app(role, dry_run=dry_run)
    finally:
        database.close()
    if as_json:
        print_json({"statements": statements})
        return
    for statement in statements:
        console.print(statement + ";", markup=False, highlight=False, soft_wrap=True)
