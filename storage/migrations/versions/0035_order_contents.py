"""Orders: contents in a quicker compression, and an index of the numbers of the ERP without the orders that have none.

A content is compressed when its order comes and read when it leaves. Contents of before stay as they are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("orders",)

HAS_NUMBER = sa.text("erp_number IS NOT NULL")
# PostgreSQL may have been built without lz4; 13 has no choice.
COMPRESS = """
DO $$ BEGIN
    EXECUTE 'ALTER TABLE orders ALTER COLUMN payload SET COMPRESSION lz4';
EXCEPTION WHEN feature_not_supported OR syntax_error THEN
    NULL;
END $$
"""
FORMER = COMPRESS.replace("lz4", "default")


def upgrade() -> None:
    op.drop_index("orders_erp_number", "orders")
    op.create_index("orders_erp_number", "orders", ["erp_number"], postgresql_where=HAS_NUMBER, sqlite_where=HAS_NUMBER)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(COMPRESS)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FORMER)
    op.drop_index("orders_erp_number", "orders")
    op.create_index("orders_erp_number", "orders", ["erp_number"])
