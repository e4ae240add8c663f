"""Messages of a simulated ERP: change events as they are published to the broker."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from typing import Any, Literal, NamedTuple

import orjson

from schemas.domains import DOMAINS
from schemas.partitions import KEY_HEADER, partition_key

__all__ = ["Action", "Data", "ErpMessage", "EventWriter", "order_total"]

Data = dict[str, Any]
Action = Literal["changed", "deleted"]

_SUBJECT_PARTS = 3
_SUBJECTS = {name: domain.key_fields[:_SUBJECT_PARTS] for name, domain in DOMAINS.items()}
_TYPES = {
    (name, action): f"erp.{domain.entity}.{action}.v1"
    for name, domain in DOMAINS.items()
    for action in ("changed", "deleted")
}


class ErpMessage(NamedTuple):
    """Message of an ERP: a CloudEvent with its shop and domain."""

    shop: str
    domain: str
    body: bytes
    event_id: str
    subject: str = ""

    @property
    def headers(self) -> dict[str, object]:
        """Return the headers of the message, by which a key's events reach one partition."""
        return {KEY_HEADER: partition_key(self.shop, (self.subject,))}

    @property
    def routing_key(self) -> str:
        """Return the routing key for the exchange `erp.events`."""
        return f"{self.shop}.{self.domain}"


class EventWriter:
    """Writer of one ERP's events, which numbers them: the sequence grows by one per event."""

    def __init__(self, shop: str, source: str = "/erp/simulator/1", first_sequence: int = 1) -> None:
        self.shop = shop
        self._source = source
        self._prefix = f"{shop}-{source.rpartition('/')[2]}-"
        self._next = first_sequence

    def document(self, domain: str, data: Data, at: str, action: Action = "changed") -> Data:
        """Return the next event as a JSON object; `at` is an RFC 3339 time."""
        sequence = self._next
        self._next += 1
        return {
            "specversion": "1.0",
            "id": f"{self._prefix}{sequence:019}",
            "source": self._source,
            "type": _TYPES[domain, action],
            "time": at,
            "sequence": str(sequence),
            "subject": "/".join([data[field] for field in _SUBJECTS[domain] if data.get(field)]),
            "data": data,
        }

    def message(self, domain: str, document: Data) -> ErpMessage:
        """Return a document as a message of this ERP."""
        return ErpMessage(self.shop, domain, orjson.dumps(document), document["id"], document["subject"])

    def write(self, domain: str, data: Data, at: str, action: Action = "changed") -> ErpMessage:
        """Return the next event as a message."""
        return self.message(domain, self.document(domain, data, at, action))


def order_total(order: Data) -> Decimal:
    """Return what an order comes to, by the contract's sum."""
    freight = order.get("freight", {}).get("value", 0)
    taxes = chain(order.get("taxes", ()), *(item.get("taxes", ()) for item in order["items"]))
    amounts = (
        *(item["total"] for item in order["items"]),
        *(tax["value"] for tax in taxes),
        *(freight, order.get("insurance", 0), order.get("other_charges", 0)),
    )
    return sum(map(Decimal, amounts), Decimal(0)) - Decimal(order.get("discount", 0))
