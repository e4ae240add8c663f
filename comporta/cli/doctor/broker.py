"""Broker checks: connection, version, topology, permissions, consumers, backlog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from broker.address import masked, read_url
from broker.connection import BrokerLost, login_refused, read_release
from broker.diagnostics import BrokerFacts, QueueFacts, inspect_broker
from comporta.cli.doctor.findings import Finding
from comporta.cli.doctor.management import management_findings, policy_command
from comporta.cli.doctor.partitions import partition_findings
from comporta.runtime.order_queues import shop_order_queues
from comporta.runtime.settings import PREFIX, Settings
from rules.certificates import certificate_remedy
from schemas.queue_policies import policies
from schemas.topology import DEAD, ORDERS_OUT, RESYNC, Queue
from storage.database import open_database

__all__ = ["broker_findings"]

_PART = "broker"
_OLDEST = (3, 10)
_MANY = 10_000
# Only the broker itself publishes there, to dead-letter a message.
_NEVER_PUBLISHED_TO = frozenset({DEAD})
_RIGHTS_REMEDY = (
    "let an administrator give this user the rights configure, write and read on "
    "^(comporta|erp|shop)\\..*, and write on ^amq\\.default$ for replies"
)


def broker_findings(settings: Settings) -> Iterator[Finding]:
    """Yield the findings on the broker, a single one if it can't be reached."""
    if settings.embedded:
        yield Finding.ok(
            _PART, "memory:// lives inside the process of `comporta run`; there is nothing to reach from here"
        )
        return
    where = masked(settings.broker_url)
    if read_url(settings.broker_url).options:
        yield Finding.warning(
            _PART, f"the options after the ? in {PREFIX}BROKER_URL are not read", "remove the ? and what follows"
        )
    partitions = settings.partition_layout
    try:
        spread = [queue for domain in partitions.domains for queue in partitions.queues(domain)]
        facts = inspect_broker(settings.broker_url, [*_shop_queues(settings), *spread])
    except BrokerLost as error:
        yield _unreached(where, error)
        return
    yield _reached(where, facts.version)
    yield from _topology(facts)
    yield from _rights(facts)
    yield from partition_findings(settings.broker_url, partitions)
    queues = {name: queue for name, queue in facts.queues.items() if queue is not None}
    if settings.management_url is None:
        yield _policy(facts.rejects_overflow, settings.broker_url, read_release(facts.version))
    yield from management_findings(settings, read_release(facts.version), [*queues])
    yield from _consumed(queues, by_erp=settings.erp_url is None)
    yield from _depth(queues)


def _shop_queues(settings: Settings) -> list[Queue]:
    """Return the shops' own queues for orders, without those of shops that only a database knows that can't be read."""
    database = open_database(settings.database_url)
    try:
        return shop_order_queues(settings, database) if database.is_there else []
    finally:
        database.close()


def _is_for_erp(queue: str) -> bool:
    """Return whether an ERP consumes a queue."""
    return queue == RESYNC or queue.split(".")[:2] == ORDERS_OUT.split(".")


def _unreached(where: str, error: BrokerLost) -> Finding:
    if login_refused(error):
        return Finding.error(
            _PART, f"{where} refuses the login: {error}", f"check user, password and vhost in {PREFIX}BROKER_URL"
        )
    return Finding.error(
        _PART,
        f"{where} can't be reached: {error}",
        certificate_remedy(str(error)) or f"start it, or check host and port in {PREFIX}BROKER_URL",
    )


def _reached(where: str, version: str) -> Finding:
    release = read_release(version)
    if release is not None and release < _OLDEST:
        return Finding.error(
            _PART, f"{where} is RabbitMQ {version}", "upgrade it: 3.10 is the oldest version that is supported"
        )
    return Finding.ok(_PART, f"{where} accepts the login; RabbitMQ {version}")


def _topology(facts: BrokerFacts) -> Iterator[Finding]:
    missing = [name for name, fact in (facts.exchanges | facts.queues).items() if fact is None]
    if missing:
        yield Finding.warning(_PART, f"not there yet: {_names(missing)}", "start a worker: it declares what is missing")
    else:
        yield Finding.ok(_PART, f"all {len(facts.queues)} queues and their exchanges are there")
    refused = {name: fact[0] for name, fact in facts.exchanges.items() if fact is not None and fact[0]}
    refused |= {name: queue.declare for name, queue in facts.queues.items() if queue is not None and queue.declare}
    for name, error in refused.items():
        if "ACCESS_REFUSED" not in str(error):
            yield Finding.error(
                _PART,
                f"{name} exists with other properties: {error}",
                "it must be a quorum queue with a delivery limit: empty it, delete it, and start a worker, "
                "which declares it anew",
            )
    for name in [name for name, queue in facts.queues.items() if queue is not None and queue.former]:
        yield Finding.warning(
            _PART,
            f"{name} has the arguments of a former release, with one active consumer: a worker that hangs mutes it",
            "stop all workers and start them again: the first one declares an unused and empty queue anew; or delete "
            f"the queue (`rabbitmqctl delete_queue {name}`), whereupon the workers declare it",
        )
    lacking = [name for name, error in refused.items() if "ACCESS_REFUSED" in str(error)]
    if not lacking:
        return
    says = f"this user may not declare or bind {_names(lacking)}"
    if missing or _unpublished(facts) or _unread(facts):
        yield Finding.error(_PART, says, _RIGHTS_REMEDY)
        return
    yield Finding.warning(
        _PART,
        f"{says}; it need not, as long as nothing is missing",
        "when a release adds a queue, start one worker as a user with the right configure",
    )


def _rights(facts: BrokerFacts) -> Iterator[Finding]:
    unpublished, unread = _unpublished(facts), _unread(facts)
    if unpublished:
        yield Finding.error(_PART, f"this user may not publish to {_names(unpublished)}", _RIGHTS_REMEDY)
    if unread:
        yield Finding.error(_PART, f"this user may not consume {_names(unread)}", _RIGHTS_REMEDY)
    if not unpublished and not unread:
        yield Finding.ok(_PART, "this user may publish and consume")


def _unpublished(facts: BrokerFacts) -> list[str]:
    return [
        name or "the default exchange (replies)"
        for name, fact in facts.exchanges.items()
        if fact is not None and fact[1] and name not in _NEVER_PUBLISHED_TO
    ]


def _unread(facts: BrokerFacts) -> list[str]:
    return [
        name for name, queue in facts.queues.items() if queue is not None and queue.consume and not _is_for_erp(name)
    ]


def _policy(rejects_overflow: bool | None, url: str, release: tuple[int, int] | None) -> Finding:
    if rejects_overflow:
        return Finding.ok(
            _PART,
            "a policy on comporta.* refuses what does not fit, as dead lettering at least once needs it; "
            f"{PREFIX}MANAGEMENT_URL would let its other keys be compared",
        )
    says = "no policy on comporta.* is effective: what dies while comporta.dead is away is lost"
    if rejects_overflow is None:
        says = "this user can't try whether the policy for dead letters is effective"
    commands = "; ".join(policy_command(read_url(url).vhost, policy) for policy in policies(release))
    return Finding.warning(_PART, says, f"let an administrator of the broker run: {commands}")


def _consumed(queues: Mapping[str, QueueFacts], *, by_erp: bool) -> Iterator[Finding]:
    own_queues = {name: queue for name, queue in queues.items() if not _is_for_erp(name)}
    unconsumed = [name for name, queue in own_queues.items() if not queue.consumers]
    if unconsumed:
        yield Finding.warning(
            _PART, f"no consumer on {_names(unconsumed)}", "start `comporta worker` or `comporta run`"
        )
    elif own_queues:
        yield Finding.ok(
            _PART,
            f"every queue of Comporta is consumed, by {min(queue.consumers for queue in own_queues.values())} or more",
        )
    for name, queue in queues.items():
        if by_erp and name != RESYNC and _is_for_erp(name) and queue.messages and not queue.consumers:
            yield Finding.warning(
                _PART,
                f"{queue.messages:,} orders wait in {name}, which has no consumer",
                "start the ERP's consumer; the orders wait for it",
            )


def _depth(queues: Mapping[str, QueueFacts]) -> Iterator[Finding]:
    waiting = {name: queue.messages for name, queue in queues.items() if queue.messages}
    if not waiting:
        if queues:
            yield Finding.ok(_PART, "the queues are empty")
        return
    backlog = ", ".join(f"{name} {count:,}" for name, count in waiting.items())
    if max(waiting.values()) < _MANY:
        yield Finding.ok(_PART, f"messages that wait for a consumer: {backlog}")
        return
    yield Finding.warning(
        _PART,
        f"a backlog waits: {backlog}",
        "check that the workers work (`comporta status`); more processes consume it faster",
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
