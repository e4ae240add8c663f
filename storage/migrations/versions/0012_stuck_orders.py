"""Orders: failures that count against an order, claims by attempts; the faults of the way to the ERP."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("orders",)

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.add_column("orders", sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("orders", sa.Column("failing_since", TIME))
    _index("shop", "attempts", "placed_at", "order_id")
    op.create_table(
        "erp_faults",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("failed_at", TIME, nullable=False),
        sa.Column("failures", BIGINT, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("erp_faults")
    _index("shop", "placed_at", "order_id")
    op.drop_column("orders", "failing_since")
    op.drop_column("orders", "failures")


def _index(*columns: str) -> None:
    op.drop_index("orders_due", "orders")
    op.create_index("orders_due", "orders", list(columns), postgresql_where=WAITING, sqlite_where=WAITING)
