"""Switches: the end of a pause before its last change, and a planned pause. Shops: every one with rows is known."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
COLUMNS = (
    ("until_before", TIME),
    ("until_by", sa.Text()),
    ("until_at", TIME),
    ("plan_from", TIME),
    ("plan_until", TIME),
    ("plan_reason", sa.Text()),
    ("plan_by", sa.Text()),
    ("plan_weekly", sa.Boolean()),
)
TABLES = (
    "products",
    "images",
    "packagings",
    "price_tables",
    "prices",
    "stock",
    "customers",
    "orders",
    "missed",
)
# Tables that it reads whole: their sizes say how long it takes.
reads = TABLES


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("switches", sa.Column(name, kind))
    now = "now()" if op.get_bind().dialect.name == "postgresql" else "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
    for table in TABLES:
        known = f"SELECT shop, {now} FROM (SELECT DISTINCT shop FROM {table}) AS known WHERE true"
        op.execute(f"INSERT INTO shops (shop, first_seen) {known} ON CONFLICT DO NOTHING")


def downgrade() -> None:
    for name, _ in reversed(COLUMNS):
        op.drop_column("switches", name)
