"""Counts of the fields that messages have and Comporta ignores."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "unknown_fields",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("field", EXACT, primary_key=True),
        sa.Column("count", BIGINT, nullable=False),
        sa.Column("suggestion", sa.Text()),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("unknown_fields")
