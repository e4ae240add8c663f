"""The kind of version of each feed, and the generations; on SQLite, decimals that compare as numbers."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

QUANTITIES = {
    "products": ("net_weight_kg", "gross_weight_kg", "height_cm", "width_cm", "length_cm"),
    "packagings": ("factor", "min_multiple", "gross_weight_kg"),
    "prices": ("min_qty",),
    "stock": ("on_hand", "reserved", "available"),
    "customers": (),
}
# Tables that it copies whole, on SQLite alone: their sizes say how long it takes.
reads_on_sqlite = tuple(QUANTITIES)
MONEY = {"prices": ("price", "list_price"), "customers": ("credit_limit",)}
# A text without needless zeros, its number of digits, and the number where a double holds all of them.
PLAIN = "CASE WHEN instr({0}, '.') > 0 THEN rtrim(rtrim({0}, '0'), '.') ELSE {0} END"
DIGITS = f"length(ltrim(replace(replace({PLAIN}, '-', ''), '.', ''), '0'))"
NUMBER = f"CASE WHEN {DIGITS} <= 15 THEN CAST({{0}} AS NUMERIC) ELSE {PLAIN} END"


def upgrade() -> None:
    op.create_table(
        "feeds",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("by_time", sa.Boolean(), nullable=False),
        sa.Column("since", TIME, nullable=False),
    )
    op.create_table(
        "generations",
        sa.Column("name", EXACT, primary_key=True),
        sa.Column("number", BIGINT, nullable=False),
    )
    for table, names in QUANTITIES.items():
        money = MONEY.get(table, ())
        _rebuild(table, dict.fromkeys(names, "NUMERIC") | dict.fromkeys(money, ""), dict.fromkeys(money, NUMBER))


def downgrade() -> None:
    for table, names in QUANTITIES.items():
        decimals = (*names, *MONEY.get(table, ()))
        _rebuild(table, dict.fromkeys(decimals, "TEXT"), {})
    op.drop_table("generations")
    op.drop_table("feeds")


def _rebuild(table: str, types: dict[str, str], values: dict[str, str]) -> None:
    """Give columns of a table of SQLite other types, and their values by these expressions: SQLite can't alter them."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    owned = sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL")
    statements = connection.execute(owned, {"table": table}).all()
    indexes = [sql for kind, sql in statements if kind == "index"]
    columns = [row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({table})")]
    body = next(sql for kind, sql in statements if kind == "table").partition("(")[2]
    for name, kind in types.items():
        body = re.sub(rf"(?m)^(\s*{name})( (?:TEXT|NUMERIC))?(?=[ ,]|$)", rf"\1 {kind}".rstrip(), body, count=1)
    connection.exec_driver_sql(f"CREATE TABLE {table}_rebuilt ({body}")
    copied = ", ".join(values.get(name, "{0}").format(f'"{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    connection.exec_driver_sql(f"INSERT INTO {table}_rebuilt ({names}) SELECT {copied} FROM {table}")
    connection.exec_driver_sql(f"DROP TABLE {table}")
    connection.exec_driver_sql(f"ALTER TABLE {table}_rebuilt RENAME TO {table}")
    for index in indexes:
        connection.exec_driver_sql(index)
