"""Search: an index of the refused messages without a search text, so that the upkeep finds them and gives them one.

These are those from before 0034, and those of workers of a former release, which go on during an upgrade.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("quarantine",)

HAS_NONE = sa.text("search_text IS NULL")


def upgrade() -> None:
    op.create_index("quarantine_without_text", "quarantine", ["id"], postgresql_where=HAS_NONE, sqlite_where=HAS_NONE)


def downgrade() -> None:
    op.drop_index("quarantine_without_text", "quarantine")
