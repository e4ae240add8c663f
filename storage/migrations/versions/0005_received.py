"""Counts of received events, apart from those of outcomes; indexes for the lists and for the search for a document."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("orders", "customers")

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "received",
        sa.Column("minute", TIME, primary_key=True),
        sa.Column("worker", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("count", BIGINT, nullable=False),
    )
    # Nobody counted before, and workers of the former release go on without: their outcomes count as received.
    op.create_index("orders_placed", "orders", ["placed_at", "shop", "order_id"])
    op.create_index("customers_document", "customers", ["document"])


def downgrade() -> None:
    op.drop_index("customers_document", "customers")
    op.drop_index("orders_placed", "orders")
    op.drop_table("received")
