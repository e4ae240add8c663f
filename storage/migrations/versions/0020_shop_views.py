"""Views for the shop, and the index on the variants of a product."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
# Tables that it reads whole: their sizes say how long it takes.
reads = ("products",)

VARIANT = sa.text("variant_of IS NOT NULL")
NOW = {"postgresql": "statement_timestamp()", "sqlite": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"}
LEFT = "sum(coalesce(s.available, s.on_hand - coalesce(s.reserved, 0)))"
TOTAL = {"postgresql": f"greatest({LEFT}, 0)", "sqlite": f"max(round({LEFT}, 4), 0)"}
LIVE = (
    "EXISTS (SELECT 1 FROM products p WHERE p.shop = {alias}.shop AND p.code = {alias}.product_code "
    "AND NOT p.deleted AND p.active)"
)
VIEWS = {
    "live_products": """
SELECT shop, code, name, active, base_unit, ncm, cest, gtin, brand, category_path, description, net_weight_kg, \
gross_weight_kg, height_cm, width_cm, length_cm, fractional, variant_of, attributes, version, occurred_at, applied_at
FROM products
WHERE NOT deleted AND active
""",
    "live_images": f"""
SELECT shop, product_code, image_id, url, position, alt, content_hash, version, occurred_at, applied_at
FROM images i
WHERE NOT deleted AND {LIVE.format(alias="i")}
""",
    "sellable_packagings": f"""
SELECT shop, product_code, packaging_code, unit, factor, barcodes, sellable, min_multiple, gross_weight_kg, version, \
occurred_at, applied_at
FROM packagings u
WHERE NOT deleted AND sellable AND {LIVE.format(alias="u")}
""",
    "current_price_tables": """
SELECT shop, table_code, name, currency, active, valid_from, valid_to, version, occurred_at, applied_at
FROM price_tables
WHERE NOT deleted AND active AND (valid_from IS NULL OR valid_from <= {now})
  AND (valid_to IS NULL OR {now} < valid_to)
""",
    "current_prices": """
SELECT shop, table_code, product_code, packaging_code, min_qty,
  lead(min_qty) OVER (PARTITION BY shop, table_code, product_code, packaging_code ORDER BY min_qty) AS next_min_qty,
  price, list_price, currency, valid_from, valid_to, version, occurred_at, applied_at
FROM (
  SELECT r.shop, r.table_code, r.product_code, r.packaging_code, r.min_qty, r.price, r.list_price, t.currency,
    r.valid_from, r.valid_to, r.version, r.occurred_at, r.applied_at,
    lead(r.valid_from) OVER (
      PARTITION BY r.shop, r.table_code, r.product_code, r.packaging_code, r.min_qty ORDER BY r.valid_from
    ) AS later
  FROM prices r JOIN price_tables t ON t.shop = r.shop AND t.table_code = r.table_code
  WHERE NOT r.deleted AND r.active AND r.valid_from <= {now} AND (r.valid_to IS NULL OR {now} < r.valid_to)
    AND NOT t.deleted AND t.active AND (t.valid_from IS NULL OR t.valid_from <= {now})
    AND (t.valid_to IS NULL OR {now} < t.valid_to)
) valid
WHERE later IS NULL
""",
    "sellable_stock": f"""
SELECT s.shop, s.product_code, s.branch, s.warehouse, s.unit, {{total}} AS quantity, count(*) AS lots,
  min(s.as_of) AS as_of, max(s.applied_at) AS applied_at
FROM stock s
WHERE NOT s.deleted AND {LIVE.format(alias="s")}
GROUP BY s.shop, s.product_code, s.branch, s.warehouse, s.unit
""",
    "active_customers": """
SELECT shop, code, kind, document, name, trade_name, state_registration, email, phones, addresses, status, \
price_table, payment_term, seller, credit_limit, version, occurred_at, applied_at
FROM customers
WHERE NOT deleted AND status = 'active'
""",
}


def upgrade() -> None:
    op.create_index(
        "products_variant_of",
        "products",
        ["shop", "variant_of"],
        postgresql_where=VARIANT,
        sqlite_where=VARIANT,
    )
    connection = op.get_bind()
    dialect = connection.dialect.name
    for name, body in VIEWS.items():
        select = body.strip().format(now=NOW[dialect], total=TOTAL[dialect])
        # As text: neither driver then reads the clock's format as parameters.
        connection.execute(sa.text(f"CREATE VIEW {name} AS {select}".replace(":", r"\:")))


def downgrade() -> None:
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW {name}")
    op.drop_index("products_variant_of", "products")
