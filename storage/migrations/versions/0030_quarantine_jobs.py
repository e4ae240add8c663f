"""Quarantine: replays and drops of many messages in the background."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "quarantine_jobs",
        sa.Column("id", EXACT, primary_key=True),
        *(sa.Column(name, EXACT, nullable=False) for name in ("action", "state")),
        sa.Column("filter", JSON, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        *(sa.Column(name, EXACT, nullable=False) for name in ("through", "after")),
        *(sa.Column(name, BIGINT, nullable=False) for name in ("chosen", "done", "staying")),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("canary", "discard")),
        sa.Column("by", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("reason", "error")),
        sa.Column("audit_id", EXACT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        *(sa.Column(name, TIME) for name in ("settles_at", "ended_at")),
        sa.Column("holder", sa.Text()),
        sa.Column("lease_until", TIME),
    )
    op.create_table(
        "quarantine_job_items",
        sa.Column("job", EXACT, primary_key=True),
        sa.Column("digest", EXACT, primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("quarantine_job_items")
    op.drop_table("quarantine_jobs")
