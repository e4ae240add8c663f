"""Order notices: their outbox, the leases of its relays, and the key of a quarantined message."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("quarantine",)

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", BIGINT, primary_key=True),
        sa.Column("shop", EXACT, nullable=False),
        sa.Column("order_id", EXACT),
        sa.Column("kind", EXACT, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_shop", "outbox", ["shop", "position"])
    op.create_table(
        "outbox_leases",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("until", TIME, nullable=False),
    )
    op.add_column("quarantine", sa.Column("key", EXACT))
    op.add_column("quarantine", sa.Column("subject", sa.Text))
    op.create_index("quarantine_key", "quarantine", ["key"])


def downgrade() -> None:
    op.drop_index("quarantine_key", "quarantine")
    op.drop_column("quarantine", "subject")
    op.drop_column("quarantine", "key")
    op.drop_table("outbox_leases")
    op.drop_table("outbox")
