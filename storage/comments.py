"""Comments in a PostgreSQL database: written by each migration from the documentation of tables and views."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import DDL, Connection, inspect, text
from sqlalchemy.schema import ExecutableDDLElement, SetColumnComment, SetTableComment

from storage.all_tables import every_table
from storage.sql_views import SQL_VIEWS

__all__ = ["write_comments"]

_COMMENTS = text(
    "SELECT c.relname, a.attname, d.description FROM pg_class c "
    "JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid "
    "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0 "
    "WHERE c.relnamespace = to_regnamespace(current_schema())".replace("::", r"\:\:")
)


def write_comments(connection: Connection) -> None:
    """Write the comments that differ from the documentation; SQLite has none."""
    if connection.dialect.name != "postgresql":
        return
    there = {(relation, column): comment for relation, column, comment in connection.execute(_COMMENTS)}
    for relation, column, comment, statement in _statements(set(inspect(connection).get_view_names())):
        if comment is not None and there.get((relation, column)) != comment:
            connection.execute(statement)


def _statements(views: set[str]) -> Iterator[tuple[str, str | None, str | None, ExecutableDDLElement]]:
    for table in every_table().sorted_tables:
        yield table.name, None, table.comment, SetTableComment(table)
        for column in table.columns:
            yield table.name, column.name, column.comment, SetColumnComment(column)
    for view in SQL_VIEWS.values():
        if view.name in views:
            yield view.name, None, view.description, _comment(f"VIEW {view.name}", view.description)
            for name in view.names:
                comment = view.comment(name)
                yield view.name, name, comment, _comment(f"COLUMN {view.name}.{name}", comment)


def _comment(item: str, comment: str) -> DDL:
    quoted = comment.replace("'", "''")
    context = {"item": item, "comment": quoted}
    return DDL("COMMENT ON %(item)s IS '%(comment)s'", context=context)  # type: ignore[no-untyped-call]
