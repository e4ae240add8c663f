"""Search: the codes, names, documents and numbers of refused messages; on PostgreSQL with trigrams of them.

Messages of before have none, and neither have those of workers of before: the upkeep gives it to them since 0036.
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# pg_trgm is there where the search of products has its index.
THERE = sa.text("SELECT to_regclass('search_products') IS NOT NULL")


def upgrade() -> None:
    op.add_column("quarantine", sa.Column("search_text", sa.Text()))
    connection = op.get_bind()
    if connection.dialect.name == "postgresql" and connection.scalar(THERE):
        op.execute("CREATE INDEX search_quarantine ON quarantine USING gin (search_text gin_trgm_ops)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX IF EXISTS search_quarantine")
    op.drop_column("quarantine", "search_text")
