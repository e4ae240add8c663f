"""Search: indexes that no statement on keys is led astray by.

Where the statistics are those of an empty table, any index that answers `=` may be taken for a key. Trigrams answer it
badly: they are now of an expression that no key is compared with. Indexes of codes have the shop behind the code, so
that they lead to one row where a thousand shops have the same.
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

FORMER = (
    ("products", "code"),
    ("products", "name"),
    ("customers", "code"),
    ("customers", "name"),
    ("orders", "order_id"),
)
CODES = (
    ("products_search", "products", "code"),
    ("customers_search", "customers", "code"),
    ("orders_search", "orders", "order_id"),
)
INDEXED = sa.text("SELECT 1 FROM pg_indexes WHERE schemaname = current_schema() AND indexname = 'search_products_name'")


def upgrade() -> None:
    for name, table, column in CODES:
        op.drop_index(name, table)
        op.create_index(name, table, [column, "shop"])
    connection = op.get_bind()
    if connection.dialect.name != "postgresql" or connection.scalar(INDEXED) is None:
        return
    for table, column in FORMER:
        op.execute(f"DROP INDEX IF EXISTS search_{table}_{column}")
    for table in ("products", "customers"):
        op.execute(
            f"CREATE INDEX search_{table} ON {table} "
            "USING gin ((code || E'\\n' || coalesce(name, '')) COLLATE \"default\" gin_trgm_ops)"
        )


def downgrade() -> None:
    for name, table, column in CODES:
        op.drop_index(name, table)
        op.create_index(name, table, [column])
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    there = connection.scalar(sa.text("SELECT to_regclass('search_products') IS NOT NULL"))
    for table in ("products", "customers"):
        op.execute(f"DROP INDEX IF EXISTS search_{table}")
    if there:
        for table, column in FORMER:
            op.execute(f"CREATE INDEX search_{table}_{column} ON {table} USING gin ({column} gin_trgm_ops)")
