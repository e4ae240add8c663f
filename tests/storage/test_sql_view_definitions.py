"""Definitions of the views over the tables: as documented, with types and comments, and quick by an index."""

from __future__ import annotations

from sqlalchemy import Numeric, inspect, text

from storage.engine import open_engine
from storage.migrate import migrate
from storage.sql_views import SQL_VIEWS


def test_the_migrations_make_the_views_that_are_documented(any_database_url: str) -> None:
    engine = open_engine(any_database_url)
    dialect = engine.dialect.name
    with engine.connect() as connection:
        views = inspect(connection).get_view_names()
        assert sorted(views) == sorted(SQL_VIEWS)
        for view in SQL_VIEWS.values():
            columns = inspect(connection).get_columns(view.name)
            assert tuple(column["name"] for column in columns) == view.names, view.name
            expected = view.sql(dialect)
            if dialect == "sqlite":
                made = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": view.name})
                assert made == f"CREATE VIEW {view.name} AS {expected}"
                continue
            connection.execute(text(f"CREATE TEMP VIEW expected AS {expected}".replace(":", r"\:")))
            definitions = [
                connection.scalar(text("SELECT pg_get_viewdef(CAST(:name AS regclass))"), {"name": name})
                for name in (view.name, "expected")
            ]
            assert definitions[0] == definitions[1]
            connection.rollback()
    engine.dispose()


def test_the_types_that_the_documentation_gives_are_those_of_the_database(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.connect() as connection:
        for view in SQL_VIEWS.values():
            types = {column["name"]: column["type"] for column in inspect(connection).get_columns(view.name)}
            for name in view.own:
                made = types[name].compile(engine.dialect).lower().replace("timestamp with time zone", "timestamptz")
                said = view.own[name][0]
                assert made.replace(" ", "").startswith(said), (view.name, name)
                assert isinstance(types[name], Numeric) == said.startswith("numeric")
    engine.dispose()


def test_a_price_of_many_is_found_by_an_index(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO prices (shop, table_code, product_code, packaging_code, min_qty, valid_from, price, "
                "active, version, event_id, deleted, applied_at) SELECT 'main', 'A', 'P' || n, '', 1, "
                "now() - interval '1 day', 9.9, true, 1, 'e', false, now() FROM generate_series(1, 20000) n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO price_tables (shop, table_code, name, currency, active, version, event_id, deleted, "
                "applied_at) VALUES ('main', 'A', 'A', 'BRL', true, 1, 'e', false, now())"
            )
        )
    with engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        query = "SELECT * FROM current_prices WHERE shop = 'main' AND table_code = 'A' AND product_code = 'P7'"
        plan = "\n".join(connection.scalars(text(f"EXPLAIN ANALYZE {query}")))
        assert "prices_pkey" in plan
        assert "Seq Scan on prices" not in plan
        assert connection.execute(text(query)).one().product_code == "P7"
    engine.dispose()


def test_every_table_view_and_column_has_its_comment(database_url: str) -> None:
    engine = open_engine(database_url)
    columns = text(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
        "WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'v') AND NOT a.attisdropped "
        "AND c.relname <> 'alembic_version' AND col_description(c.oid, a.attnum) IS NULL"
    )
    tables = text(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'v') "
        "AND relname <> 'alembic_version' AND obj_description(oid, 'pg_class') IS NULL"
    )
    with engine.begin() as connection:
        assert connection.execute(columns).all() == []
        assert connection.execute(tables).all() == []
        comment = "SELECT obj_description(to_regclass('stock')), col_description(to_regclass('stock'), 1)"
        before = connection.execute(text(comment)).one()
        connection.execute(text("COMMENT ON TABLE stock IS 'of an older release'"))
        connection.execute(text("COMMENT ON COLUMN stock.shop IS NULL"))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text(comment)).one() == before
        assert all(before)
    engine.dispose()
