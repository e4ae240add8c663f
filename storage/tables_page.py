"""Page `docs/tables.md`: every table and view with its columns, made from the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects import postgresql

from storage.all_tables import every_table
from storage.entity_tables import ENTITY_TABLES
from storage.feed_tables import change_feed, changes
from storage.order_tables import order_events
from storage.sql_views import SQL_VIEWS, SqlView

__all__ = ["PAGE", "tables_page"]

PAGE = "docs/tables.md"
_FEED = (changes, change_feed)
_OF_THE_SHOP = (order_events, *_FEED)
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_INTRODUCTION = """# Tables

Made by `comporta schema --tables` from the models in `storage/`; changes belong there. On PostgreSQL every table, view
and column carries its description as a comment (`\\d+ stock` in psql).

**The shop reads** the seven tables of the domains and the views over them. All of them lie in the database of
`COMPORTA_DATABASE_URL`, in the schema that Comporta was migrated in. Comporta alone writes them.

```sql
-- the price of 12 units of a packaging, in the price table of the customer
SELECT price, currency FROM current_prices
WHERE shop = 'main' AND table_code = 'VAREJO' AND product_code = '7891000' AND packaging_code = ''
  AND min_qty <= 12 AND (next_min_qty IS NULL OR 12 < next_min_qty);
-- what can be sold, over all warehouses
SELECT sum(quantity) FROM sellable_stock WHERE shop = 'main' AND product_code = '7891000' AND unit = 'UN';
```

## Rules for readers

- **Key.** The primary key is `shop` and the key fields, in the order of the columns. Every query should begin with
  `shop`: the index does. Keys compare byte by byte, letter case included.
- **Tombstones.** A deleted entity stays as a row with `deleted` true, its key and its version; every other field is
  null. Without `WHERE NOT deleted` a query sees it. The views leave tombstones out.
- **No foreign keys.** Events come in any order: a price may be there before its product or its price table. The views
  show such a row when all that it needs is there.
- **Times** are `timestamptz`. `occurred_at` is the ERP's time, `applied_at` the database's. A poll by `applied_at`
  misses rows, because commits come out of order.
- **A batch is one transaction**: its rows become visible together. A query sees no half of it. Two queries see two
  moments unless they run in one transaction with `REPEATABLE READ`.
- **Numbers.** Quantities are `numeric(15,4)` and prices `numeric(21,10)`: read them as decimals, not as floating point.
- **On SQLite** times are texts in UTC with six decimals (`2026-11-23T07:22:51.123456Z`), which sort as times; booleans
  are 0 and 1; lists and maps are JSON text; decimals are numbers, and texts where a number would lose digits.
- **Only read.** A trigger, a foreign key or a lock of yours on these tables can stop the integration. Indexes of your
  own are allowed, and make each change of their rows dearer.

## Following changes

With `COMPORTA_CHANGES=true` every row of the seven tables that is written also adds a row to `changes`, in the same
transaction. So a cache or a search index follows by its last position alone:

```sql
SELECT position, shop, domain, key, version, deleted FROM changes
WHERE position > 41207 ORDER BY position LIMIT 1000;
```

- **Complete.** Behind a position that you have seen, no other can appear. Each transaction takes its positions last, by
  an update of the one row of `change_feed`, and holds that row until its commit is visible: the next transaction takes
  its positions only then. Sequences and times lack this, because commits come out of order.
- **No gaps.** Positions grow by one. If the first row after your position is not the next number, or there is none and
  `change_feed.position` is above yours, changes were pruned (`COMPORTA_CHANGES_HOURS`) or not recorded: read the tables
  anew, from the value of `change_feed.position` that you read before.
- **Keys, not states.** Read the row itself by its key. It may be newer than the version in the feed; then its own
  change follows. `deleted` says that it became a tombstone.
- A version that is forgotten is no change and adds no row. Erasing a shop (`comporta shop remove`) leaves gaps.

The same goes to the exchange `comporta.changes` (topic, routing key `<shop>.<domain>`), with at most 500 keys in a
message: [comporta.changes.v1](contract/schemas/comporta.changes.v1.json). One worker publishes at a time, in the order
of the positions within a routing key, and only after the commit. A message comes at least once: after a fault it is
sent again under the same id, and after it those that followed. So compare versions, or keep the highest position of
each routing key. A message that no queue is bound for is dropped.

The setting must be the same for all workers; the one that starts last decides, and logs it. Workers of a release
without the feed write no changes: switch it on when all are upgraded. [performance.md](performance.md) has its cost.

## What may change

A release may add tables, views, columns at the end of a table, and indexes: name the columns that you select. It never
renames or drops a column of the seven tables or of the views, and never changes its type or its meaning, without a
new major version and a line in the changelog. The other tables are shown for people; their columns may change with
any release.

## Access

```sh
comporta grant-reader shop_reader   # an existing role of PostgreSQL; --dry-run shows the statements
```

grants the role the right to read the seven tables, the views, `changes` and `change_feed`, and takes away any other
right on Comporta's tables that it was granted directly: it reads no quarantined bodies and no audit, and of orders only
the news (`order_events`). Run it
again after an upgrade that adds views. It fails, and names them, if the role can still reach other tables of Comporta
by other ways. SQLite has no roles: every user who can open the file reads everything.
"""
_OTHERS = """## Other tables

For people who look with SQL. Their owner reads them; `comporta grant-reader` does not grant them.
"""


def tables_page() -> str:
    """Return the text of the page."""
    others = [
        table for table in every_table().sorted_tables if table.name not in ENTITY_TABLES and table not in _OF_THE_SHOP
    ]
    parts = [
        _INTRODUCTION,
        "## Views\n",
        *map(_view, SQL_VIEWS.values()),
        "## Tables of the domains\n",
        *map(_table, ENTITY_TABLES.values()),
        "## News of orders\n",
        _table(order_events),
        "## The change feed\n",
        *map(_table, _FEED),
        _OTHERS,
        *map(_table, sorted(others, key=lambda table: table.name)),
    ]
    return "\n".join(parts)


def _view(view: SqlView) -> str:
    if not view.own:
        rest = f"The columns of [{view.table.name}](#{view.table.name}), without `deleted` and `event_id`."
    else:
        rows = ((name, _view_type(view, name), view.comment(name)) for name in view.names)
        rest = _grid(("column", "type", "meaning"), rows)
    return f"### {view.name}\n\n{view.description}\n\n{rest.rstrip()}\n"


def _view_type(view: SqlView, name: str) -> str:
    return view.own[name][0] if name in view.own else _type(view.table.c[name])


def _table(table: Table) -> str:
    rows = (
        (column.name, _type(column), "yes" if column.nullable else "", column.comment or "") for column in table.columns
    )
    key = ", ".join(f"`{column.name}`" for column in table.primary_key)
    lines = [f"Primary key: {key}.", *_indexes(table)]
    grid = _grid(("column", "type", "null", "meaning"), rows)
    return f"### {table.name}\n\n{table.comment}\n\n{grid}\n" + "\n".join(lines) + "\n"


def _indexes(table: Table) -> Iterator[str]:
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        columns = ", ".join(f"`{column.name}`" for column in index.columns)
        yield f"Index `{index.name}`: {columns}{_condition(index)}."


def _condition(index: Index) -> str:
    where = index.dialect_options["postgresql"]["where"]
    if where is None:
        return ""
    text = str(where.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
    return f", where `{text.replace(f'{index.table.name}.', '')}`" if index.table is not None else ""


def _type(column: Column[object]) -> str:
    name = column.type.compile(_DIALECT).lower()
    plain = name.removesuffix(' collate "c"').replace("timestamp with time zone", "timestamptz")
    return plain.replace(", ", ",")


def _grid(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for name, *cells in rows:
        lines.append(f"| `{name}` | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"
