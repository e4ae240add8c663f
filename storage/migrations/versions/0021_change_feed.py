"""The change feed, the notices of outcomes, and the leases of the relays that publish both."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("position", BIGINT, primary_key=True, autoincrement=False),
        sa.Column("shop", EXACT, nullable=False),
        sa.Column("domain", EXACT, nullable=False),
        sa.Column("key", EXACT, nullable=False),
        sa.Column("version", BIGINT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_table(
        "change_feed",
        sa.Column("name", EXACT, primary_key=True),
        sa.Column("recording", sa.Boolean(), nullable=False),
        sa.Column("position", BIGINT, nullable=False),
    )
    op.create_table(
        "outcome_notices",
        sa.Column("id", EXACT, primary_key=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("shop", EXACT, nullable=False),
        sa.Column("domain", EXACT, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
    )
    op.create_table(
        "relays",
        sa.Column("name", EXACT, primary_key=True),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("position", BIGINT, nullable=False),
    )


def downgrade() -> None:
    for table in ("relays", "outcome_notices", "change_feed", "changes"):
        op.drop_table(table)
