"""SQL types: one for each kind of column, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Dialect, Integer, LargeBinary, Numeric, Text
from sqlalchemy.dialects.postgresql import BYTEA, JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from schemas.canonical import utc_text
from schemas.fields import Column

__all__ = ["BIGINT", "BYTES", "EXACT_TEXT", "JSON_VALUE", "SQL_TYPES", "ExactDecimal", "UtcTime", "utc_text"]


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


class _SqliteNumber(UserDefinedType[Any]):
    """A column of SQLite by its affinity: NUMERIC, or none, which keeps every value in the form it was written in."""

    cache_ok = True

    def __init__(self, affinity: str) -> None:
        self.affinity = affinity

    def get_col_spec(self, **_options: Any) -> str:
        return self.affinity


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal that compares as a number and keeps every digit: numeric on PostgreSQL, a number on SQLite.

    SQLite's numbers are doubles, which hold every decimal of 15 digits. Of a type with more digits, such as money, the
    longer values stay texts in their canonical form: exact, and above every number in SQLite's order. `exact_number`
    in `storage.dialect` decides for each value.
    """

    impl = Numeric
    cache_ok = True
    double_digits = 15

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision = precision

    @property
    def fits_double(self) -> bool:
        """Return whether a double holds every value of this type."""
        return self.precision <= self.double_digits

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return _SqliteNumber("NUMERIC" if self.fits_double else "")
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        return Decimal(format(value, f".{self.double_digits}g") if isinstance(value, float) else value)


# Bytewise order on PostgreSQL, as on SQLite and in Python: ties and keys must compare alike everywhere.
EXACT_TEXT: TypeEngine[str] = Text(collation="C").with_variant(Text(), "sqlite")
QUANTITY: TypeEngine[Any] = ExactDecimal(15, 4)
MONEY: TypeEngine[Any] = ExactDecimal(21, 10)
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
