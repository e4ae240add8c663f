"""Dead letters in hand: the number of attempts at each."""

import sqlalchemy as sa
from alembic import op

from storage.types import EXACT_TEXT, UtcTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("digest", EXACT_TEXT, primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("dead_letters")
