"""Missed keys: when, how often and by whom the ERP was asked for each."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
COLUMNS = (("asked_at", TIME), ("asked_count", sa.Integer()), ("asked_by", sa.Text()))


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("missed", sa.Column(name, kind))


def downgrade() -> None:
    for name, _ in reversed(COLUMNS):
        op.drop_column("missed", name)
