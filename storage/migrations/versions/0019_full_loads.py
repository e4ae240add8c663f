"""Full loads: the loads, their chunks, and the keys that an unsettled chunk has named."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
ACTIVE = sa.text("ended_at IS NULL")
UNCLEARED = sa.text("NOT cleared")


def upgrade() -> None:
    op.create_table(
        "loads",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("load_id", EXACT, primary_key=True),
        sa.Column("number", BIGINT, nullable=False, unique=True),
        sa.Column("version", BIGINT),
        sa.Column("state", EXACT, nullable=False),
        sa.Column("chunks", sa.Integer()),
        sa.Column("count", BIGINT),
        _counter("seen"),
        _counter("deleted"),
        sa.Column("allowed", BIGINT),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
    )
    op.create_index("loads_active", "loads", ["shop", "domain"], postgresql_where=ACTIVE, sqlite_where=ACTIVE)
    op.create_index("loads_started", "loads", ["started_at"])
    op.create_table(
        "load_chunks",
        sa.Column("load", BIGINT, primary_key=True, autoincrement=False),
        sa.Column("chunk", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("version", BIGINT),
        sa.Column("range_from", JSON),
        sa.Column("range_to", JSON),
        sa.Column("count", BIGINT),
        _counter("seen"),
        _counter("discarded"),
        _counter("quarantined"),
        sa.Column("state", EXACT, nullable=False),
        sa.Column("reason", sa.Text()),
        _counter("would_delete"),
        _counter("deleted"),
        sa.Column("cursor", JSON),
        sa.Column("cleared", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("changed_at", TIME, nullable=False),
    )
    op.create_index(
        "load_chunks_uncleared", "load_chunks", ["load", "chunk"], postgresql_where=UNCLEARED, sqlite_where=UNCLEARED
    )
    op.create_table(
        "load_keys",
        sa.Column("load", BIGINT, primary_key=True, autoincrement=False),
        sa.Column("chunk", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("key", EXACT, primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("load_keys")
    op.drop_table("load_chunks")
    op.drop_table("loads")


def _counter(name: str) -> sa.Column[int]:
    return sa.Column(name, BIGINT, nullable=False, server_default=sa.text("0"))
