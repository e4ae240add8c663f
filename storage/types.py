"""SQL types: one for each kind of column, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Dialect, Integer, LargeBinary, Numeric, Text
from sqlalchemy.dialects.postgresql import BYTEA, JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from schemas.fields import Column

__all__ = ["BIGINT", "BYTES", "EXACT_TEXT", "JSON_VALUE", "SQL_TYPES", "UtcTime", "utc_text"]


def utc_text(value: datetime) -> str:
    """Format a time as RFC 3339 in UTC with six decimals: fixed width, so that text order is time order."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class UtcTime(TypeDecorator[datetime]):
    """A time with its zone: timestamptz on PostgreSQL, fixed-width RFC 3339 text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return utc_text(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


# Bytewise order on PostgreSQL, as on SQLite and in Python: ties and keys must compare alike everywhere.
EXACT_TEXT: TypeEngine[str] = Text(collation="C").with_variant(Text(), "sqlite")
# SQLite has no exact decimals: their text keeps every digit.
QUANTITY: TypeEngine[Any] = Numeric(15, 4).with_variant(Text(), "sqlite")
MONEY: TypeEngine[Any] = Numeric(21, 10).with_variant(Text(), "sqlite")
JSON_VALUE: TypeEngine[Any] = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BIGINT: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
BYTES: TypeEngine[bytes] = LargeBinary().with_variant(BYTEA(), "postgresql")

SQL_TYPES: dict[Column, TypeEngine[Any]] = {
    Column.TEXT: Text(),
    Column.QUANTITY: QUANTITY,
    Column.MONEY: MONEY,
    Column.TIME: UtcTime(),
    Column.BOOLEAN: Boolean(),
    Column.INTEGER: Integer(),
    Column.JSON: JSON_VALUE,
}
