"""Certificates of servers: the right one, and those that a client must refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import trustme

from tests.support.services.ports import HOST

__all__ = ["Certificates"]


class Certificates:
    """An authority that the clients know, and another one that they don't."""

    def __init__(self) -> None:
        self.authority, self._stranger = trustme.CA(), trustme.CA()

    def issue(self, kind: str = "right") -> trustme.LeafCert:
        """Issue a certificate: `right`, `host` (of another host), `expired` or `authority` (of the unknown one)."""
        if kind == "expired":
            return self.authority.issue_cert(HOST, not_after=datetime.now(UTC) - timedelta(days=1))
        authority = self._stranger if kind == "authority" else self.authority
        return authority.issue_cert("elsewhere.example" if kind == "host" else HOST)
