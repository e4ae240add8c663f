"""Database queries of what a run has left in PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from tests.support.event_generator import DomainShop, EventGenerator
from tests.support.wait import wait_until

__all__ = ["DatabaseQueries", "TableState"]

# The table of a domain: its key, and the field in which the tests' ERP repeats the version.
_TABLES = {"stock": ("product_code", "on_hand"), "products": ("code", "name")}


class TableState(NamedTuple):
    """Rows of one shop in one table: any write changes the sum, since versions only grow."""

    rows: int
    versions: int
    applied_at: datetime | None


class DatabaseQueries:
    """Queries of one database, each on a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def outcomes(self, shop: str, domain: str | None = None) -> Counter[str]:
        """Count the deliveries of a shop by outcome."""
        query = "SELECT outcome, sum(count) FROM ledger WHERE shop = %s AND domain = coalesce(%s, domain) GROUP BY 1"
        return Counter({outcome: int(total) for outcome, total in self.rows(query, shop, domain)})

    def discarded(self) -> dict[DomainShop, int]:
        """Count the discarded deliveries by domain and shop."""
        query = "SELECT domain, shop, sum(count) FROM ledger WHERE outcome = 'discarded' GROUP BY 1, 2"
        return {(domain, shop): int(total) for domain, shop, total in self.rows(query)}

    def table_states(self, cells: Collection[DomainShop]) -> dict[DomainShop, TableState]:
        """Read the state of every shop in every domain at one moment, in one statement."""
        query = " UNION ALL ".join(
            f"SELECT '{domain}', shop, count(*), sum(version), max(applied_at) FROM {domain} GROUP BY shop"
            for domain in sorted({domain for domain, _ in cells})
        )
        found = {(domain, shop): TableState(rows, int(sum_), at) for domain, shop, rows, sum_, at in self.rows(query)}
        return {cell: found.get(cell, TableState(0, 0, None)) for cell in cells}

    def newest(self, *cells: DomainShop) -> dict[tuple[str, str, str], int]:
        """Read the version of every row; fail where a row's content is not that version's."""
        found = {}
        for domain, shop in cells:
            key, content = _TABLES[domain]
            for code, version, said in self.rows(
                f"SELECT {key}, version, {content} FROM {domain} WHERE shop = %s", shop
            ):
                assert int(said) == version, f"{domain} {shop} {code}: version {version} with the content of {said}"
                found[domain, shop, code] = version
        return found

    def missed(self, *shops: str) -> dict[tuple[str, str, str], int]:
        """Read the version of every missed key."""
        query = (
            "SELECT domain, shop, coalesce(key::json ->> 'product_code', key::json ->> 'code'), version FROM missed "
            "WHERE shop = ANY (%s)"
        )
        return {(domain, shop, code): version for domain, shop, code, version in self.rows(query, list(shops))}

    def wait_accounted(self, shop: str, number: int, *, timeout: float = 60.0) -> Counter[str]:
        """Wait until at least so many deliveries of a shop have an outcome; return the outcomes."""

        def look() -> Counter[str] | None:
            outcomes = self.outcomes(shop)
            return outcomes if outcomes.total() >= number else None

        found = wait_until(look, timeout=timeout, what=f"{number} deliveries of {shop} to have an outcome")
        assert found is not None
        return found

    def wait_converged(self, generator: EventGenerator, *, timeout: float = 60.0) -> None:
        """Wait until every row shows the newest event of its key, and no other row is there."""

        def look() -> bool:
            return self.newest(*generator.domain_shops) == generator.newest

        wait_until(look, timeout=timeout, what="the tables to show the newest of every key")
