"""Index of missed keys: the narrow one of the keys' values, or the primary key of a database of before.

A key is JSON text, and more than half of it are the names of its fields, the same in each key of a domain. On
PostgreSQL the index `missed_values` is of the text without them: in the order of the keys, and unique like them, since
a name with its quotes and colon stands nowhere else in compact JSON. A database that workers of a former release use
has the primary key, by which their statements find a row; `storage/narrow_index.py` changes one for the other,
alone behind the fence. Statements that lead to a key ask first which of the two is there. SQLite has the primary key.
"""

from __future__ import annotations

from functools import cache, reduce
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, literal_column, select

from storage.tables import generations, missed
from storage.types import EXACT_TEXT

__all__ = ["NARROW", "VALUES", "arbiter", "is_narrow", "key_place", "place_of"]

# Name of the index, and of the row of `generations` that says that it is the only one.
NARROW = "missed_values"
# As the index in the database has them, whatever becomes of the domains: a key of another domain stays whole. Domains
# with many keys come first, since PostgreSQL compares one after the other.
_NAMES = {
    "stock": ("product_code", "branch", "warehouse", "lot"),
    "prices": ("table_code", "product_code", "packaging_code", "min_qty", "valid_from"),
    "products": ("code",),
    "images": ("product_code", "image_id"),
    "packagings": ("product_code", "packaging_code"),
    "customers": ("code",),
    "price_tables": ("table_code",),
}


def _values(table: str = "") -> str:
    """Return the SQL of the indexed text."""
    cases = (f"WHEN '{domain}' THEN {reduce(_without, names, f'{table}key')}" for domain, names in _NAMES.items())
    return f"(CASE {table}domain {' '.join(cases)} ELSE {table}key END)"


def _without(text: str, name: str) -> str:
    return f"replace({text}, '\"{name}\":', '')"


VALUES = _values()


def is_narrow(connection: Connection) -> bool:
    """Return whether the narrow index is the one; inside the fence it stays so until the end of the transaction."""
    return connection.dialect.name == "postgresql" and bool(connection.scalar(_IS_NARROW))


_IS_NARROW = select(exists(1).where(generations.c.name == NARROW))


@cache
def key_place(*, narrow: bool) -> ColumnElement[Any]:
    """Return the last column of the index, behind domain and shop, by which keys are found and in whose order."""
    return literal_column(_values("missed."), EXACT_TEXT) if narrow else missed.c.key


def place_of(domain: str, key: str, *, narrow: bool) -> str:
    """Return a key, or the beginning of one, as `key_place` has it."""
    if narrow:
        for name in _NAMES.get(domain, ()):
            key = key.replace(f'"{name}":', "")
    return key


def arbiter(*, narrow: bool) -> list[Any]:
    """Return the elements of the unique index, for ON CONFLICT."""
    return ["domain", "shop", literal_column(VALUES) if narrow else "key"]
