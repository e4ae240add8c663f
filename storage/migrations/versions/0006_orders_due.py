"""Orders: an index of those that wait, as small as what there is to claim."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("orders",)

WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.create_index(
        "orders_due", "orders", ["shop", "placed_at", "order_id"], postgresql_where=WAITING, sqlite_where=WAITING
    )


def downgrade() -> None:
    op.drop_index("orders_due", "orders")
