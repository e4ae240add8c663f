"""Switches: the end of a pause before its last change, with its author and time."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("switches", sa.Column("until_before", TIME))
    op.add_column("switches", sa.Column("until_by", sa.Text()))
    op.add_column("switches", sa.Column("until_at", TIME))


def downgrade() -> None:
    for name in ("until_at", "until_by", "until_before"):
        op.drop_column("switches", name)
