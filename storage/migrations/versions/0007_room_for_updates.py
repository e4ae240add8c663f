"""The domains' tables: a tenth of each page is left free, so that an update stays on it and touches no index."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("products", "images", "packagings", "price_tables", "prices", "stock", "customers")


def upgrade() -> None:
    for table in TABLES:
        _say(f"ALTER TABLE {table} SET (fillfactor = 90)")


def downgrade() -> None:
    for table in TABLES:
        _say(f"ALTER TABLE {table} RESET (fillfactor)")


def _say(statement: str) -> None:
    # It holds for pages that are yet to be filled, and blocks nobody. SQLite knows no such thing.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(statement)
