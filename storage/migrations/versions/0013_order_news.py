"""Orders: their cancellation, what an operator accepted as it is, and the ERP's later news."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("orders",)

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TELLING = sa.text("cancellation = 'telling'")
COLUMNS = (
    ("cancellation", EXACT),
    ("cancel_reason", sa.Text()),
    ("cancelled_at", TIME),
    ("cancel_attempts", sa.Integer()),
    ("cancel_due_at", TIME),
    ("cancel_error", sa.Text()),
    ("accepted_as_is", JSON),
)


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("orders", sa.Column(name, kind))
    op.create_index("orders_cancel", "orders", ["cancel_due_at"], postgresql_where=TELLING, sqlite_where=TELLING)
    op.create_table(
        "order_events",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("order_id", EXACT, primary_key=True),
        sa.Column("event_id", EXACT, primary_key=True),
        sa.Column("event", EXACT, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("occurred_at", TIME),
        sa.Column("received_at", TIME, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("order_events")
    op.drop_index("orders_cancel", "orders")
    for name, _ in reversed(COLUMNS):
        op.drop_column("orders", name)
