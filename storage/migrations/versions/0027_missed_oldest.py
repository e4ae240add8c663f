"""Missed keys: an index of the time of their discard, so that the oldest are found among many."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("missed",)


def upgrade() -> None:
    op.create_index("missed_discarded", "missed", ["discarded_at"])


def downgrade() -> None:
    op.drop_index("missed_discarded", "missed")
