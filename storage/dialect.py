"""SQL that differs between PostgreSQL and SQLite: rows as one JSON parameter, upserts and the clock.

One JSON parameter costs Python a tenth of an array per column, and both databases read it as a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Numeric,
    Select,
    Table,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from storage.types import ExactDecimal, UtcTime, utc_text

__all__ = [
    "Rowset",
    "before_conflict",
    "counts",
    "database_now",
    "document_rowset",
    "dump_documents",
    "dump_rows",
    "exact_number",
    "insert_into",
    "rowset",
    "stop",
]

_NUMERIC = Numeric(asdecimal=False)
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Rowset:
    """A table value for SELECT, and its columns by name."""

    source: FromClause
    columns: Mapping[str, ColumnElement[Any]]


def rowset(dialect: str, types: Mapping[str, TypeEngine[Any]], parameter: str = "rows") -> Rowset:
    """Return the rows of a parameter with these columns, in the order of the parameter."""
    rows = bindparam(parameter, type_=Text())
    if dialect == "postgresql":
        source = (
            func.json_to_recordset(cast(rows, postgresql.JSON))
            .table_valued(*(column(name, _plain(kind)) for name, kind in types.items()))
            .render_derived(name="rowset", with_types=True)
        )
        return Rowset(source, {name: source.c[name] for name in types})
    items = func.json_each(rows).table_valued("value", name="rowset")
    values = {name: func.json_extract(items.c.value, f"$.{name}") for name in types}
    return Rowset(items, {name: type_coerce(_stored(values[name], kind), kind) for name, kind in types.items()})


def document_rowset(dialect: str, types: Mapping[str, TypeEngine[Any]], document: str) -> Rowset:
    """Return the rows of `dump_documents`, in their order; the column `document` holds a JSON text of any length.

    PostgreSQL reads a document inside the one parameter three times, and as a line of its own once.
    """
    if dialect != "postgresql":
        return rowset(dialect, types)
    plain = {name: _plain(kind) for name, kind in types.items() if name != document}
    definitions = ", ".join(f"{name} {kind.compile(_POSTGRESQL)}" for name, kind in plain.items())
    # Functions that are read side by side: SQLAlchemy has no expression for it.
    functions = (
        f"json_to_recordset(CAST(:rows AS JSON)) AS ({definitions})",
        "unnest(string_to_array(:documents, chr(10)))",
    )
    names = ", ".join([*plain, document])
    rows = text(f"SELECT * FROM ROWS FROM ({', '.join(functions)}) AS rowset({names})").bindparams(
        bindparam("rows", type_=Text()), bindparam("documents", type_=Text())
    )
    columns = [column(name, kind) for name, kind in plain.items()]
    source = rows.columns(*columns, column(document, Text())).subquery("rowset")
    values: dict[str, ColumnElement[Any]] = {name: source.c[name] for name in types}
    return Rowset(source, values | {document: cast(values[document], types[document])})


def _stored(value: ColumnElement[Any], kind: TypeEngine[Any]) -> ColumnElement[Any]:
    # Where a double holds every value, the column's affinity converts it.
    return exact_number(value) if isinstance(kind, ExactDecimal) and not kind.fits_double else value


def exact_number(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return SQLite's number for a decimal text, or the text without needless zeros where a double loses digits."""
    most = ExactDecimal.double_digits
    plain = case((func.instr(text, ".") > 0, func.rtrim(func.rtrim(text, "0"), ".")), else_=text)
    digits = func.length(func.ltrim(func.replace(func.replace(plain, "-", ""), ".", ""), "0"))
    number = cast(text, _NUMERIC)
    # Most values are short: so many digits and a point.
    return case((func.length(text) <= most + 1, number), (digits <= most, number), else_=plain)


def counts(dialect: str, document: ColumnElement[Any]) -> Rowset:
    """Return the members of a JSON object, names and whole numbers, as the columns `name` and `count`."""
    if dialect == "postgresql":
        json = cast(document, postgresql.JSON)
        members = func.json_each_text(json).table_valued("key", "value", joins_implicitly=True)
        return Rowset(members, {"name": members.c.key, "count": cast(members.c.value, BigInteger)})
    members = func.json_each(document).table_valued("key", "value", joins_implicitly=True)
    return Rowset(members, {"name": members.c.key, "count": type_coerce(members.c.value, Integer)})


def before_conflict(source: Select[Any]) -> Select[Any]:
    """Prepare the SELECT of an INSERT so that ON CONFLICT may follow it."""
    # SQLite's parser reads ON after a bare FROM as a join condition.
    return source.where(literal(1) == literal(1))


def dump_rows(dialect: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """Serialize rows for a parameter that `rowset` reads; a field that a row leaves out is null."""
    if dialect == "postgresql":
        return orjson.dumps(list(rows), default=_model).decode()
    return orjson.dumps(list(rows), default=_model_or_time, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def dump_documents(
    dialect: str, rows: Iterable[Mapping[str, Any]], document: str, documents: Sequence[bytes]
) -> dict[str, str]:
    """Return the parameters that `document_rowset` reads: rows, and for each its document, JSON text on one line."""
    if dialect == "postgresql":
        return {"rows": dump_rows(dialect, rows), "documents": b"\n".join(documents).decode()}
    whole = ({**row, document: orjson.Fragment(text)} for row, text in zip(rows, documents, strict=True))
    return {"rows": dump_rows(dialect, whole)}


def _plain(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    # A column definition list allows no collation; the table's own collation applies in comparisons.
    return Text() if isinstance(kind, Text) else kind


def _model(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.__dict__
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _model_or_time(value: object) -> object:
    return utc_text(value) if isinstance(value, datetime) else _model(value)


def insert_into(dialect: str, table: Table) -> Any:
    """Return the dialect's own INSERT, which supports ON CONFLICT."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # Only where it is the database: most installations never load it.

    return sqlite.insert(table)


def stop(dialect: str, text: str, value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return an expression that fails with `text` in the error's message when it is evaluated.

    It is made from `value`, a text column, so that no database evaluates it beforehand.
    """
    invalid = literal(text) + value
    return cast(invalid, Boolean) if dialect == "postgresql" else func.json_extract("{}", invalid)


def database_now(connection: Connection) -> datetime:
    """Return the time by the clock that leases are measured with."""
    if connection.dialect.name == "postgresql":
        return connection.execute(select(func.clock_timestamp(type_=UtcTime))).scalar_one()
    return datetime.now(UTC)
