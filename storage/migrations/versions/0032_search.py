"""Search: indexes of codes, order ids and ERP numbers; on PostgreSQL also of parts of codes, ids and names.

Parts of codes and names are found by pg_trgm, where that extension is there and the role may create it; the search
does without it otherwise.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

INDEXES = (
    ("products_search", "products", "code"),
    ("customers_search", "customers", "code"),
    ("orders_search", "orders", "order_id"),
    ("orders_erp_number", "orders", "erp_number"),
)
PARTS = (
    ("products", "code"),
    ("products", "name"),
    ("customers", "code"),
    ("customers", "name"),
    ("orders", "order_id"),
)


def upgrade() -> None:
    for name, table, column in INDEXES:
        op.create_index(name, table, [column])
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    there = sa.text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")
    if connection.scalar(there) is None:
        return
    try:
        with connection.begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            for table, column in PARTS:
                op.execute(f"CREATE INDEX search_{table}_{column} ON {table} USING gin ({column} gin_trgm_ops)")
    except sa.exc.DBAPIError:
        # The role may not create the extension, or it lies in a schema that is not searched.
        return


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, column in PARTS:
            op.execute(f"DROP INDEX IF EXISTS search_{table}_{column}")
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table)
