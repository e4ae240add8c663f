"""Quarantine: notes on the messages of one reason and shop."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "quarantine_notes",
        *(sa.Column(name, EXACT, primary_key=True) for name in ("reason", "shop")),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text()),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("quarantine_notes")
