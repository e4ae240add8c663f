"""Orders: the time since which each has its state."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    # Rows of before keep none: writing them all would take long, and the lists show the time that is known instead.
    op.add_column("orders", sa.Column("state_since", TIME))


def downgrade() -> None:
    op.drop_column("orders", "state_since")
