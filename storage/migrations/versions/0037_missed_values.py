"""Missed keys: in a new database an index of the keys' values instead of the primary key, half as large.

In one that is in use it takes the place of the primary key later, once no worker of a former release runs: their
statements find a row by the primary key. For that, workers note the newest revision that they know.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

INDEX = (
    "CREATE UNIQUE INDEX missed_values ON missed (domain, shop, (CASE domain "
    """WHEN 'stock' THEN replace(replace(replace(replace(key, '"product_code":', ''), '"branch":', ''), """
    """'"warehouse":', ''), '"lot":', '') """
    """WHEN 'prices' THEN replace(replace(replace(replace(replace(key, '"table_code":', ''), '"product_code":', ''), """
    """'"packaging_code":', ''), '"min_qty":', ''), '"valid_from":', '') """
    """WHEN 'products' THEN replace(key, '"code":', '') """
    """WHEN 'images' THEN replace(replace(key, '"product_code":', ''), '"image_id":', '') """
    """WHEN 'packagings' THEN replace(replace(key, '"product_code":', ''), '"packaging_code":', '') """
    """WHEN 'customers' THEN replace(key, '"code":', '') """
    """WHEN 'price_tables' THEN replace(key, '"table_code":', '') ELSE key END))"""
)
NARROW = sa.text("SELECT 1 FROM generations WHERE name = 'missed_values'")


def upgrade() -> None:
    op.add_column("workers", sa.Column("revision", sa.Text))
    if op.get_bind().dialect.name != "postgresql" or not context.config.attributes.get("new"):
        return
    op.execute(INDEX.replace(":", r"\:"))
    op.execute("ALTER TABLE missed DROP CONSTRAINT missed_pkey, REPLICA IDENTITY FULL")
    generations = sa.table("generations", sa.column("name", sa.Text), sa.column("number", sa.BigInteger))
    op.bulk_insert(generations, [{"name": "missed_values", "number": 1}])


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql" and connection.scalar(NARROW) is not None:
        op.execute("ALTER TABLE missed ADD CONSTRAINT missed_pkey PRIMARY KEY (domain, shop, key)")
        op.execute("ALTER TABLE missed REPLICA IDENTITY DEFAULT")
        op.execute("DELETE FROM generations WHERE name = 'missed_values'")
    if connection.dialect.name == "postgresql":
        op.execute("DROP INDEX IF EXISTS missed_values")
    op.drop_column("workers", "revision")
