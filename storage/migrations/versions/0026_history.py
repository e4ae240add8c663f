"""History of keys: the last versions of each, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "history",
        sa.Column("id", EXACT, primary_key=True),
        *(sa.Column(name, EXACT, nullable=False) for name in ("shop", "domain", "key")),
        sa.Column("version", BIGINT, nullable=False),
        *(sa.Column(name, EXACT, nullable=False) for name in ("event_id", "outcome")),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("state", EXACT),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_index("history_of_key", "history", ["shop", "domain", "key", "id"])
    op.create_index("history_of_event", "history", ["event_id"])


def downgrade() -> None:
    op.drop_table("history")
