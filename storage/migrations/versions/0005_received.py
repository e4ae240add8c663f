"""Counts of received events, apart from those of outcomes; indexes for the lists and for the search for a document."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

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
    # Nobody counted before: of that time the outcomes are taken for what came in.
    op.execute(
        'INSERT INTO received (minute, worker, domain, "count") '
        'SELECT minute, worker, domain, sum("count") FROM ledger GROUP BY minute, worker, domain'
    )
    op.create_index("orders_placed", "orders", ["placed_at", "shop", "order_id"])
    op.create_index("customers_document", "customers", ["document"])


def downgrade() -> None:
    op.drop_index("customers_document", "customers")
    op.drop_index("orders_placed", "orders")
    op.drop_table("received")
