"""Watchers: clients that look at outcomes as they are committed, and the outcomes that workers tell them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "watchers",
        sa.Column("id", EXACT, primary_key=True),
        sa.Column("until", TIME, nullable=False),
    )
    op.create_table(
        "outcomes",
        sa.Column("id", EXACT, primary_key=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        # It lives for a minute: losing it in a crash costs nothing, logging it would cost every watched batch.
        op.execute("ALTER TABLE outcomes SET UNLOGGED")


def downgrade() -> None:
    op.drop_table("outcomes")
    op.drop_table("watchers")
