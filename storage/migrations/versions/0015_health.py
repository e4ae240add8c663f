"""Health: the queues as last read, the workers' lags, the feeds' activity and the hours in which they sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("ledger",)

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# Each feed's past of five weeks, from the ledger: without it, its silence could be judged only weeks from now. A bit
# is set for each minute; the sum of distinct powers of two is their union, on both databases.
HOURS = """
INSERT INTO feed_hours (shop, domain, hour, minutes)
SELECT shop, domain, {hour}, {minutes} FROM ledger
WHERE minute >= {since} AND domain NOT IN ('orders', 'receipts') AND shop IN (SELECT shop FROM shops) GROUP BY 1, 2, 3
"""
ACTIVITY = """
INSERT INTO feed_activity (shop, domain, last_at)
SELECT shop, domain, max(minute) FROM ledger
WHERE minute >= {since} AND shop IN (SELECT shop FROM shops) GROUP BY shop, domain
"""
POSTGRESQL = {
    "hour": "date_trunc('hour', minute, 'UTC')",
    "minutes": "CAST(sum(DISTINCT (CAST(1 AS bigint) << CAST(extract(minute FROM minute) AS int))) AS bigint)",
    "since": "now() - interval '35 days'",
}
SQLITE = {
    "hour": "substr(minute, 1, 13) || ':00:00.000000Z'",
    "minutes": "sum(DISTINCT (1 << CAST(substr(minute, 15, 2) AS INTEGER)))",
    "since": "strftime('%Y-%m-%dT%H:%M:%S', 'now', '-35 days')",
}


def upgrade() -> None:
    op.create_table(
        "queues",
        sa.Column("queue", EXACT, primary_key=True),
        sa.Column("ready", BIGINT),
        sa.Column("consumers", sa.Integer()),
        sa.Column("checked_at", TIME, nullable=False),
        sa.Column("consumed_at", TIME),
        sa.Column("waiting_since", TIME),
        sa.Column("away_since", TIME),
    )
    op.create_table(
        "feed_activity",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("event_at", TIME),
        sa.Column("minute", TIME),
        sa.Column("behind_least", sa.Double()),
        sa.Column("behind_most", sa.Double()),
        sa.Column("behind_sum", sa.Double()),
        sa.Column("measured", BIGINT),
    )
    op.create_table(
        "feed_hours",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("hour", TIME, primary_key=True),
        sa.Column("minutes", BIGINT, nullable=False),
    )
    op.create_index("feed_hours_hour", "feed_hours", ["hour"])
    connection = op.get_bind()
    words = POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE
    for statement in (ACTIVITY, HOURS):
        connection.exec_driver_sql(statement.format(**words))
    # Last: its lock would hold up the heartbeats while the ledger is read.
    op.add_column("workers", sa.Column("lags", JSON))


def downgrade() -> None:
    op.drop_table("feed_hours")
    op.drop_table("feed_activity")
    op.drop_table("queues")
    op.drop_column("workers", "lags")
