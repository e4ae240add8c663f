"""The first schema: one table a domain, and what keeps the switch, the ledger and the orders."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

EXACT = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
QUANTITY = sa.Numeric(15, 4).with_variant(sa.Text(), "sqlite")
MONEY = sa.Numeric(21, 10).with_variant(sa.Text(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES = sa.LargeBinary()


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("code", EXACT, primary_key=True),
        sa.Column("name", sa.Text()),
        sa.Column("active", sa.Boolean()),
        sa.Column("base_unit", sa.Text()),
        sa.Column("ncm", sa.Text()),
        sa.Column("cest", sa.Text()),
        sa.Column("gtin", sa.Text()),
        sa.Column("brand", sa.Text()),
        sa.Column("category_path", JSON),
        sa.Column("description", sa.Text()),
        sa.Column("net_weight_kg", QUANTITY),
        sa.Column("gross_weight_kg", QUANTITY),
        sa.Column("height_cm", QUANTITY),
        sa.Column("width_cm", QUANTITY),
        sa.Column("length_cm", QUANTITY),
        sa.Column("fractional", sa.Boolean()),
        sa.Column("variant_of", sa.Text()),
        sa.Column("attributes", JSON),
        sa.Column("version", BIGINT, nullable=False),
        sa.Column("event_id", EXACT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", TIME),
        sa.Column("applied_at", TIME, nullable=False),
    )
    op.create_table(
        "images",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("product_code", EXACT, primary_key=True),
        sa.Column("image_id", EXACT, primary_key=True),
        sa.Column("url", sa.Text()),
        sa.Column("position", sa.Integer()),
        sa.Column("alt", sa.Text()),
        sa.Column("content_hash", sa.Text()),
        sa.Column("version", BIGINT, nullable=False),
        sa.Column("event_id", EXACT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", TIME),
        sa.Column("applied_at", TIME, nullable=False),
    )
    op.create_table(
        "packagings",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("product_code", EXACT, primary_key=True),
        sa.Column("packaging_code", EXACT, primary_key=True),
        sa.Column("unit", sa.Text()),
        sa.Column("factor", QUANTITY),
        sa.Column("barcodes", JSON),
        sa.Column("sellable", sa.Boolean()),
        sa.Column("min_multiple", QUANTITY),
        sa.Column("gross_weight_kg", QUANTITY),
        sa.Column("version", BIGINT, nullable=False),
        sa.Column("event_id", EXACT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", TIME),
        sa.Column("applied_at", TIME, nullable=False),
    )
    op.create_table(
        "price_tables",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("table_code", EXACT, primary_key=True),
        sa.Column("name", sa.Text()),
        sa.Column("currency", sa.Text()),
        sa.Column("active", sa.Boolean()),
        sa.Column("valid_from", TIME),
        sa.Column("valid_to", TIME),
        sa.Column("version", BIGINT, nullable=False),
        sa.Column("event_id", EXACT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", TIME),
        sa.Column("applied_at", TIME, nullable=False),
    )
    op.create_table(
        "prices",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("table_code", EXACT, primary_key=True),
        sa.Column("product_code", EXACT, primary_key=True),
        sa.Column("packaging_code", EXACT, primary_key=True),
        sa.Column("min_qty", QUANTITY, primary_key=True),
        sa.Column("valid_from", TIME, primary_key=True),
        sa.Column("price", MONEY),
        sa.Column("list_price", MONEY),
        sa.Column("valid_to", TIME),
        sa.Column("active", sa.Boolean()),
        sa.Column("version", BIGINT, nullable=False),
        sa.Column("event_id", EXACT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", TIME),
        sa.Column("applied_at", TIME, nullable=False),
    )
    op.create_table(
        "stock",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("product_code", EXACT, primary_key=True),
        sa.Column("branch", EXACT, primary_key=True),
        sa.Column("warehouse", EXACT, primary_key=True),
        sa.Column("lot", EXACT, primary_key=True),
        sa.Column("on_hand", QUANTITY),
        sa.Column("reserved", QUANTITY),
        sa.Column("available", QUANTITY),
        sa.Column("unit", sa.Text()),
        sa.Column("as_of", TIME),
        sa.Column("version", BIGINT, nullable=False),
        sa.Column("event_id", EXACT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", TIME),
        sa.Column("applied_at", TIME, nullable=False),
    )
    op.create_table(
        "customers",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("code", EXACT, primary_key=True),
        sa.Column("kind", sa.Text()),
        sa.Column("document", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column("trade_name", sa.Text()),
        sa.Column("state_registration", sa.Text()),
        sa.Column("email", sa.Text()),
        sa.Column("phones", JSON),
        sa.Column("addresses", JSON),
        sa.Column("status", sa.Text()),
        sa.Column("price_table", sa.Text()),
        sa.Column("payment_term", sa.Text()),
        sa.Column("seller", sa.Text()),
        sa.Column("credit_limit", MONEY),
        sa.Column("version", BIGINT, nullable=False),
        sa.Column("event_id", EXACT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", TIME),
        sa.Column("applied_at", TIME, nullable=False),
    )
    op.create_table(
        "shops",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("first_seen", TIME, nullable=False),
    )
    op.create_table(
        "switches",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("off", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("since", TIME),
        sa.Column("until", TIME),
        sa.Column("epoch", BIGINT, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", EXACT, primary_key=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("shop", sa.Text()),
        sa.Column("domains", JSON),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("message_id", EXACT),
        sa.Column("issued_at", TIME),
        sa.Column("until", TIME),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("epoch", BIGINT, nullable=False),
        sa.Column("error", sa.Text()),
    )
    op.create_index("audit_message_id", "audit", ["message_id"])
    op.create_table(
        "missed",
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("key", EXACT, primary_key=True),
        sa.Column("version", BIGINT, nullable=False),
        sa.Column("event_id", EXACT, nullable=False),
        sa.Column("discarded_at", TIME, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", EXACT, primary_key=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("shop", sa.Text(), nullable=False),
        sa.Column("domain", EXACT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("routing_key", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("digest", EXACT, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
    )
    op.create_index("quarantine_digest", "quarantine", ["digest"])
    op.create_index("quarantine_domain", "quarantine", ["domain"])
    op.create_table(
        "ledger",
        sa.Column("minute", TIME, primary_key=True),
        sa.Column("worker", EXACT, primary_key=True),
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("domain", EXACT, primary_key=True),
        sa.Column("outcome", EXACT, primary_key=True),
        sa.Column("count", BIGINT, nullable=False),
    )
    op.create_table(
        "workers",
        sa.Column("id", EXACT, primary_key=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("domains", JSON, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("last_seen", TIME, nullable=False),
        sa.Column("epoch_seen", BIGINT, nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("shop", EXACT, primary_key=True),
        sa.Column("order_id", EXACT, primary_key=True),
        sa.Column("state", EXACT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", TIME),
        sa.Column("erp_number", sa.Text()),
        sa.Column("last_error", sa.Text()),
        sa.Column("placed_at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("internalized_at", TIME),
        sa.Column("payload", JSON, nullable=False),
    )
    op.create_index("orders_state", "orders", ["state", "shop", "placed_at"])


def downgrade() -> None:
    op.drop_table("orders")
    op.drop_table("workers")
    op.drop_table("ledger")
    op.drop_table("quarantine")
    op.drop_table("missed")
    op.drop_table("audit")
    op.drop_table("switches")
    op.drop_table("shops")
    op.drop_table("customers")
    op.drop_table("stock")
    op.drop_table("prices")
    op.drop_table("price_tables")
    op.drop_table("packagings")
    op.drop_table("images")
    op.drop_table("products")
