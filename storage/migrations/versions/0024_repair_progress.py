"""Repair sheets: the keys left when that last fell, and the time at which none was left."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("repairs",)

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
COLUMNS = (
    ("remaining", sa.BigInteger().with_variant(sa.Integer(), "sqlite")),
    ("progress_at", TIME),
    ("done_at", TIME),
)
# Pauses have noted it all along, each for the keys that it cost itself.
MADE_GOOD = """
UPDATE repairs SET done_at = (SELECT max(made_good_at) FROM pause_ends WHERE pause_ends.epoch = repairs.epoch)
WHERE NOT EXISTS (SELECT 1 FROM pause_ends WHERE pause_ends.epoch = repairs.epoch AND made_good_at IS NULL)
"""


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("repairs", sa.Column(name, kind))
    op.execute(MADE_GOOD)


def downgrade() -> None:
    for name, _ in reversed(COLUMNS):
        op.drop_column("repairs", name)
