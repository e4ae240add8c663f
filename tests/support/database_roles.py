"""Roles of PostgreSQL: their URL, and the statements that the server lets them execute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from sqlalchemy import Engine, text

from storage.tables import metadata

__all__ = ["allowed", "as_role", "login_role"]


@contextmanager
def login_role(engine: Engine, name: str) -> Iterator[str]:
    """Create a role without rights whose name begins so, and needs quotes; it goes with the block."""
    role = f"{name} {uuid4().hex[:8]}"
    with engine.begin() as connection:
        connection.execute(text(f'CREATE ROLE "{role}" LOGIN'))
    yield role
    with engine.begin() as connection:
        connection.execute(text(f'DROP OWNED BY "{role}"'))
        connection.execute(text(f'DROP ROLE "{role}"'))


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    user = role.replace(" ", "%20")
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))


def allowed(url: str, role: str, table: str) -> set[str]:
    """The statements on a table that the server lets the role execute."""
    column = next(iter(metadata.tables[table].columns)).name if table in metadata.tables else "*"
    statements = {
        "SELECT": f"SELECT {column} FROM {table} LIMIT 0",
        "INSERT": f"INSERT INTO {table} SELECT * FROM {table} LIMIT 0",
        "UPDATE": f"UPDATE {table} SET {column} = {column} WHERE false",
        "DELETE": f"DELETE FROM {table} WHERE false",
        "TRUNCATE": f"TRUNCATE {table}",
    }
    # What no view of several tables takes from anybody counts as refused too.
    never = (psycopg.errors.WrongObjectType, psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.SyntaxError)
    found = set()
    with psycopg.connect(as_role(url, role), autocommit=True) as connection:
        for name, statement in statements.items():
            with suppress(psycopg.errors.InsufficientPrivilege, *never):
                connection.execute(statement.encode())
                found.add(name)
    return found
