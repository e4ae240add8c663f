"""Partition checks: the plugin and the exchanges, and the queues that were partitions."""

from __future__ import annotations

from collections.abc import Iterator

from broker.connection import BrokerLost
from broker.partitions import PartitionFacts, inspect_partitions
from broker.routes import MISSING_PLUGIN
from comporta.cli.doctor.findings import Finding
from comporta.runtime.settings import PREFIX
from schemas.partitions import KEY_HEADER, Partitions

__all__ = ["partition_findings"]

_PART = "broker"


def partition_findings(url: str, partitions: Partitions) -> Iterator[Finding]:
    """Yield the findings on the partitions; none where there are none and never were."""
    try:
        facts = inspect_partitions(url, partitions)
    except BrokerLost as error:
        yield Finding.warning(_PART, f"the partitions can't be looked at: {error}", "try again")
        return
    if partitions.domains:
        yield _exchanges(facts, partitions)
    for name, messages in facts.left_over.items():
        yield _left_over(name, messages)


def _exchanges(facts: PartitionFacts, partitions: Partitions) -> Finding:
    spread = ", ".join(f"{domain} {partitions.count(domain)}" for domain in partitions.domains)
    if facts.plugin is False:
        says, remedy = MISSING_PLUGIN.split(": ", 1)
        return Finding.error(_PART, f"{PREFIX}PARTITIONS is set ({spread}), but {says}", remedy)
    if facts.missing:
        return Finding.warning(
            _PART,
            f"exchanges of partitions are not there yet: {', '.join(facts.missing)}",
            f"start a worker with {PREFIX}PARTITIONS, as a user with the right configure",
        )
    by = "the shop" if partitions.by == "shop" else f"the header {KEY_HEADER}, which every event must have"
    return Finding.ok(_PART, f"events are spread over partitions ({spread}), by {by}")


def _left_over(name: str, messages: int) -> Finding:
    if messages:
        return Finding.warning(
            _PART,
            f"{name} is no partition by {PREFIX}PARTITIONS; {messages:,} messages wait in it",
            "let the workers run: they take them; and give every process the same setting",
        )
    return Finding.ok(
        _PART, f"{name} is no partition any more, and is empty: `rabbitmqctl delete_queue {name}` removes it"
    )
