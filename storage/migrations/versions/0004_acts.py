"""Acts: what and how many they were about, who is replaying a message just now, and the repair sheets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("audit", sa.Column("subject", sa.Text()))
    op.add_column("audit", sa.Column("count", BIGINT))
    op.add_column("quarantine", sa.Column("lease_until", TIME))
    op.create_table(
        "repairs",
        sa.Column("epoch", BIGINT, primary_key=True, autoincrement=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("missed", BIGINT),
    )
    op.create_table(
        "repair_lines",
        sa.Column("epoch", BIGINT, primary_key=True, autoincrement=False),
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("missed", BIGINT, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("repair_lines")
    op.drop_table("repairs")
    op.drop_column("quarantine", "lease_until")
    op.drop_column("audit", "count")
    op.drop_column("audit", "subject")
