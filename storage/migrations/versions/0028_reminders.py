"""Reminders: the occurrences that were told of, and what is to be delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAITS = sa.text("sent_at IS NULL AND failed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "reminders",
        sa.Column("kind", EXACT, primary_key=True),
        sa.Column("key", EXACT, primary_key=True),
        sa.Column("number", BIGINT, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_table(
        "reminder_deliveries",
        sa.Column("id", EXACT, primary_key=True),
        *(sa.Column(name, EXACT, nullable=False) for name in ("channel", "kind")),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("sent_at", TIME),
        sa.Column("failed_at", TIME),
        sa.Column("error", sa.Text()),
    )
    op.create_index(
        "reminder_deliveries_due",
        "reminder_deliveries",
        ["due_at"],
        postgresql_where=WAITS,
        sqlite_where=WAITS,
    )


def downgrade() -> None:
    op.drop_table("reminder_deliveries")
    op.drop_table("reminders")
