"""Missed keys: an index of those that the ERP was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("missed",)

WAS_ASKED = sa.text("asked_at IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "missed_asked",
        "missed",
        ["domain", "shop", "asked_at"],
        postgresql_where=WAS_ASKED,
        sqlite_where=WAS_ASKED,
    )


def downgrade() -> None:
    op.drop_index("missed_asked", "missed")
