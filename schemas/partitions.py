"""Partitions: several queues for the change events of one domain, behind a consistent-hash exchange."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from schemas.domains import DOMAINS
from schemas.topology import BULK, Queue, event_queue

__all__ = [
    "KEY_HEADER",
    "MOST_PARTITIONS",
    "NO_PARTITIONS",
    "PLUGIN",
    "HashExchange",
    "PartitionBy",
    "Partitions",
    "change_domain",
    "hash_exchanges",
    "parse_partitions",
    "parse_taken",
    "partition_key",
    "partition_number",
    "partition_queue",
]

PartitionBy = Literal["shop", "key"]

# An attribute of CloudEvents ("Partitioning" extension), as binary mode names it; in structured mode headers decide
# nothing, so that it is there for the exchange alone.
KEY_HEADER = "ce-partitionkey"
PLUGIN = "rabbitmq_consistent_hash_exchange"
MOST_PARTITIONS = 32
# The routing key of a binding to such an exchange is the queue's weight.
_WEIGHT = "1"
_RANGE = re.compile(r"(?P<first>[0-9]{1,2})(?:-(?P<last>[0-9]{1,2}))?")
# Headers must fit into one frame of the protocol.
_LONGEST_KEY = 1024
_QUEUE = re.compile(rf"comporta\.(?P<domain>{'|'.join(DOMAINS)})(?:\.(?:{BULK}|(?P<number>[1-9][0-9]?)))?")


class HashExchange(NamedTuple):
    """Exchange that spreads what it gets over its queues; the arguments of an existing one can't be changed."""

    name: str
    arguments: dict[str, object]
    kind: str = "x-consistent-hash"


@dataclass(frozen=True, slots=True)
class Partitions:
    """Number of queues by domain, for domains with several; `by`: a shop's events go to one queue, or a key's do.

    A worker consumes the partitions with the numbers in `taken`, or all of them if it is None.
    """

    counts: tuple[tuple[str, int], ...] = ()
    by: PartitionBy = "shop"
    taken: frozenset[int] | None = None

    @property
    def domains(self) -> tuple[str, ...]:
        """Return the domains with several queues."""
        return tuple(domain for domain, _ in self.counts)

    @property
    def names(self) -> list[str]:
        """Return the names of the queues of all domains."""
        return [queue.name for domain in self.domains for queue in self.queues(domain)]

    def count(self, domain: str) -> int:
        """Return the number of a domain's partitions, 0 if it has only its one queue."""
        return dict(self.counts).get(domain, 0)

    def exchange(self, domain: str) -> HashExchange:
        """Return the exchange between the events' and the partitions of a domain."""
        return hash_exchanges(domain)[self.by]

    def queues(self, domain: str) -> list[Queue]:
        """Return the partitions of a domain, bound to their exchange."""
        exchange = self.exchange(domain).name
        return [
            Queue(partition_queue(domain, number), exchange, (_WEIGHT,)) for number in range(1, self.count(domain) + 1)
        ]

    def consumed(self, domain: str) -> list[str]:
        """Return the names of a domain's partitions that this worker consumes."""
        names = (queue.name for queue in self.queues(domain))
        return [name for name in names if self.taken is None or partition_number(name) in self.taken]

    def surplus(self, domain: str) -> list[Queue]:
        """Return the partitions that a larger number would have, which get nothing any more."""
        exchange = self.exchange(domain).name
        numbers = range(self.count(domain) + 1, MOST_PARTITIONS + 1)
        return [Queue(partition_queue(domain, number), exchange, (_WEIGHT,)) for number in numbers]

    def left_over(self, names: Iterable[str]) -> list[str]:
        """Return the queues among these that were partitions, and are not any more."""
        mine = frozenset(self.names)
        return sorted(name for name in names if partition_number(name) is not None and name not in mine)


NO_PARTITIONS = Partitions()


def hash_exchanges(domain: str) -> dict[PartitionBy, HashExchange]:
    """Return the exchanges that a domain's partitions may have, by what decides on the partition."""
    queue = event_queue(domain)
    return {
        "shop": HashExchange(f"{queue}.by-shop", {}),
        "key": HashExchange(f"{queue}.by-key", {"hash-header": KEY_HEADER}),
    }


def partition_queue(domain: str, number: int) -> str:
    """Return the name of a domain's partition; the first has the number 1."""
    return f"{event_queue(domain)}.{number}"


@lru_cache(maxsize=1024)
def change_domain(queue: str) -> str | None:
    """Return the domain whose change events a queue takes, whatever its settings are; None if it takes none."""
    found = _QUEUE.fullmatch(queue)
    return found["domain"] if found else None


@lru_cache(maxsize=1024)
def partition_number(queue: str) -> int | None:
    """Return the number of a partition by its queue's name; None if the queue is none."""
    found = _QUEUE.fullmatch(queue)
    return int(found["number"]) if found and found["number"] else None


def partition_key(shop: str, key: Iterable[object]) -> str:
    """Return the value of the header by which the events of one key reach one partition."""
    return "/".join((shop, *map(str, key)))[:_LONGEST_KEY]


def parse_taken(text: str, partitions: Partitions) -> frozenset[int] | None:
    """Return the numbers of the setting COMPORTA_TAKE_PARTITIONS, None for all; raises `ValueError` with the remedy."""
    if not text.strip():
        return None
    taken: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        if not (found := _RANGE.fullmatch(part)):
            raise ValueError(f"must be numbers of partitions, such as 1,2 or 1-4; {part!r} is none")
        first, last = int(found["first"]), int(found["last"] or found["first"])
        most = max((count for _, count in partitions.counts), default=0)
        if not 1 <= first <= last <= most:
            has = f"the partitions have the numbers 1 to {most}" if most else "COMPORTA_PARTITIONS names none"
            raise ValueError(f"{part!r} is no partition: {has}")
        taken |= {*range(first, last + 1)}
    return frozenset(taken)


def parse_partitions(text: str, by: PartitionBy = "shop") -> Partitions:
    """Return the partitions of the setting COMPORTA_PARTITIONS; raises `ValueError` with the remedy."""
    counts: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals or not number.isascii() or not number.isdigit() or not 1 <= int(number) <= MOST_PARTITIONS:
            raise ValueError(
                f"must be domains with their number of queues, separated by commas, such as stock=4,products=2; "
                f"{part!r} has no number from 1 to {MOST_PARTITIONS}"
            )
        if name not in DOMAINS:
            raise ValueError(f"{name!r} is no domain of change events; they are {', '.join(DOMAINS)}")
        if name in counts:
            raise ValueError(f"{name} is there twice: keep one of the two")
        counts[name] = int(number)
    return Partitions(tuple((domain, count) for domain, count in counts.items() if count > 1), by)
