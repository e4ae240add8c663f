"""Orders: what tells a repeat from a changed order, an old receipt from a new one, and who is sending."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    # Nothing has written an order so far.
    op.add_column("orders", sa.Column("digest", sa.Text()))
    op.add_column("orders", sa.Column("receipt_id", sa.Text()))
    op.add_column("orders", sa.Column("lease_until", TIME))
    op.add_column("orders", sa.Column("sent_at", TIME))


def downgrade() -> None:
    op.drop_column("orders", "sent_at")
    op.drop_column("orders", "lease_until")
    op.drop_column("orders", "receipt_id")
    op.drop_column("orders", "digest")
