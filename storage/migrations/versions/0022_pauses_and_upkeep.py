"""Pauses: what each has cost, counted at its end. Upkeep: the process that does it, and how far it is."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pause_ends",
        sa.Column("epoch", BIGINT, primary_key=True, autoincrement=False),
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("since", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=False),
        sa.Column("orders_held", BIGINT, nullable=False),
        sa.Column("longest_wait", sa.Float(), nullable=False),
        sa.Column("made_good_at", TIME),
    )
    op.create_table(
        "pause_lines",
        sa.Column("epoch", BIGINT, primary_key=True, autoincrement=False),
        sa.Column("scope_shop", EXACT, primary_key=True),
        sa.Column("scope_domain", EXACT, primary_key=True),
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("discarded", BIGINT, nullable=False),
        sa.Column("keys", BIGINT, nullable=False),
    )
    op.create_table(
        "upkeep",
        sa.Column("name", EXACT, primary_key=True),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("position", TIME),
    )


def downgrade() -> None:
    op.drop_table("upkeep")
    op.drop_table("pause_lines")
    op.drop_table("pause_ends")
