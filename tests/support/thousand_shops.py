"""A thousand shops with products, prices, missed keys, refused messages and orders, written at once in PostgreSQL."""

from __future__ import annotations

import psycopg

__all__ = ["fill_thousand_shops"]

_SHOPS = 1_000
# Shops take turns, so that each has some of everything.
_SHOP = f"'shop-' || lpad((n % {_SHOPS})::text, 4, '0')"
_FILL = f"""
INSERT INTO shops (shop, first_seen) SELECT {_SHOP}, now() FROM generate_series(1, {_SHOPS}) n;
INSERT INTO products (shop, code, name, active, base_unit, version, event_id, deleted, occurred_at, applied_at)
  SELECT {_SHOP}, 'P' || n, 'Parafuso sextavado ' || n, true, 'UN', n, n::text, false, now(), now()
  FROM generate_series(1, {{products}}) n;
INSERT INTO prices (shop, table_code, product_code, packaging_code, min_qty, valid_from, price, active, version,
    event_id, deleted, applied_at)
  SELECT {_SHOP}, 'table-' || n % 3, 'P' || n, '', 1, '1970-01-01T00:00:00Z', 1, true, n, n::text, false, now()
  FROM generate_series(1, {{products}}) n;
INSERT INTO missed (domain, shop, key, version, event_id, discarded_at)
  SELECT 'products', {_SHOP}, '{{{{"code":"P' || n || '"}}}}', n, n::text, now()
  FROM generate_series(1, {{missed}}) n;
INSERT INTO quarantine (id, at, shop, domain, reason, pointer, sentence, routing_key, content_type, headers, body,
    digest, worker, key)
  SELECT 'q-' || n, now(), {_SHOP}, 'products', 'gtin_check_digit', '/data/gtin', 'a wrong check digit',
    {_SHOP} || '.products', 'application/cloudevents+json', '{{{{}}}}',
    convert_to('{{{{"data": {{{{"code": "P' || n || '", "name": "Parafuso sextavado"}}}}}}}}', 'UTF8'), n::text, 'w',
    '{{{{"code":"P' || n || '"}}}}'
  FROM generate_series(1, {{refused}}) n;
INSERT INTO orders (shop, order_id, state, attempts, failures, placed_at, received_at, payload)
  SELECT {_SHOP}, 'order-' || n, (ARRAY['held', 'internalized', 'rejected', 'stuck'])[1 + n % 4], 1, 0, now(), now(),
    jsonb_build_object('order_id', 'order-' || n, 'customer', jsonb_build_object('name', 'Cliente ' || n),
      'items', jsonb_build_array(jsonb_build_object('line', 1, 'product_code', 'P' || n)))
  FROM generate_series(1, {{orders}}) n;
"""
_COLLECTED = ("shops", "products", "prices", "missed", "quarantine", "orders")


def fill_thousand_shops(
    url: str, *, products: int = 100_000, missed: int = 100_000, refused: int = 10_000, orders: int = 20_000
) -> None:
    """Write so many rows of each kind; no order waits to be sent."""
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(_FILL.format(products=products, missed=missed, refused=refused, orders=orders).encode())
        for table in _COLLECTED:
            database.execute(f"VACUUM (ANALYZE) {table}".encode())
