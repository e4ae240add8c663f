"""Composition of a process: from settings to the loops that its threads run."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from os import getpid

from uuid_utils import uuid7

from broker.sync_publisher import SyncPublisher
from comporta.runtime.erp_access import erp_access
from comporta.runtime.notify_settings import open_channels
from comporta.runtime.order_queues import shop_order_queues
from comporta.runtime.resync_publish import resync_publish
from comporta.runtime.settings import Settings
from consumers.dead_letters import DeadLetterStore, dead_letters_worker
from consumers.feed_pulse import FeedPulse
from consumers.heartbeat import Heartbeat
from consumers.left_over import LeftOver
from consumers.load_settler import LoadSettler
from consumers.observer import BatchStats, OnBatch
from consumers.source import BatchLimits
from consumers.worker import events_worker, orders_worker
from control.announcer import Announcer
from control.auto_resync import AutoResync
from control.consumer import ControlConsumer
from control.quarantine_jobs import JobLoop
from control.reminders import ReminderLoop
from control.switchboard import Switchboard
from control.upkeep import UpkeepLoop
from producers.cancellations import AmqpCancelGateway, CancelGateway, Canceller, HttpCancelGateway, NoCancelGateway
from producers.erp import AmqpErpGateway, ErpGateway, HttpErpGateway
from producers.feeds import relay_loop
from producers.messages import Publish
from producers.order_dispatcher import OrderDispatcher
from producers.publisher import Publisher
from rules.retention import Retention
from schemas.control import Announcement
from schemas.domains import DOMAINS, ORDERS
from storage.cancellation_queue import CancellationQueue
from storage.database import Database
from storage.dead_letters import DeadLetterAttempts
from storage.event_store import EventStore
from storage.feed_activity import FeedActivity
from storage.load_settlement import LoadSettlement
from storage.missed_requests import MissedRequests
from storage.order_notice_source import OrderNoticeSource
from storage.order_queue import OrderQueue
from storage.order_store import OrderStore
from storage.outbox import Outbox
from storage.reminders import ReminderStore
from storage.resync_plan import ResyncPlan
from storage.upkeep import Upkeep
from storage.workers import WorkerRegistry

__all__ = ["Components", "build_admin", "build_worker"]


@dataclass(frozen=True, slots=True)
class Components:
    """Parts of one process, which share one `stop`: its switchboard, and its loops by name."""

    worker_id: str
    switchboard: Switchboard
    loops: Mapping[str, Callable[[], None]]


def build_worker(
    settings: Settings,
    database: Database,
    domains: Sequence[str],
    pulse: Callable[[str], threading.Event],
    metrics: OnBatch,
    lags: Callable[[], Mapping[str, float]],
) -> Components:
    """Build a worker for these domains, with its control consumer, heartbeat and announcer.

    `pulse` returns the `stop` event of a loop by the loop's name; the workers call `metrics` for every batch; the
    heartbeat reports the `lags`.
    """
    worker_id = f"{socket.gethostname()}-{getpid()}-{str(uuid7())[-6:]}"
    wake, cancelled = threading.Event(), threading.Event()
    feeds = FeedPulse(FeedActivity(database.fence))

    def observe(batch: BatchStats) -> None:
        metrics(batch)
        feeds.observe(batch)

    announcer = Announcer(settings.broker_url, pulse("announcer"))

    def announce(announcement: Announcement) -> None:
        announcer.announce(announcement)
        # After a resume the dispatcher has held orders to send: wake it instead of letting it wait for its next poll.
        wake.set()

    def accepted() -> None:
        wake.set()
        cancelled.set()

    shop_rules = settings.shop_rules
    switchboard = Switchboard(database.fence, announce, shop_rules)
    limits = BatchLimits(settings.batch_size, settings.batch_ms, settings.prefetch_count)
    settlement = LoadSettlement(
        database.fence, settings.full_load_max_deletes, timedelta(seconds=settings.full_load_timeout)
    )
    settler = LoadSettler(settlement, pulse("loads"))
    clock_ahead = timedelta(seconds=settings.clock_ahead)
    store = EventStore(
        database.fence, switchboard, worker_id, clock_ahead, shop_rules, settler.wake.set, settings.history
    )
    changes = [domain for domain in domains if domain in DOMAINS]
    replies = SyncPublisher(settings.broker_url, "replies")
    controller = ControlConsumer(settings.broker_url, switchboard, database.views.status, replies, pulse("control"))
    partitions = settings.partition_layout
    left_over = LeftOver(database.queues, partitions, changes)
    worker = events_worker(settings.broker_url, changes, limits, store, pulse("worker"), observe, partitions, left_over)
    order_store = OrderStore(database.fence, worker_id, accepted, shop_rules)
    dead = DeadLetterStore(store, order_store, DeadLetterAttempts(database.fence))
    registry = WorkerRegistry(database.fence, worker_id, domains, lags)
    loops = {
        "announcer": announcer.run,
        "upkeep": _upkeep(settings.retention, database, worker_id, pulse("upkeep")),
        "heartbeat": Heartbeat(registry, switchboard, pulse("heartbeat"), feeds).run,
        "control": controller.run,
        "relay": relay_loop(
            settings.broker_url,
            database.fence,
            worker_id,
            pulse("relay"),
            changes=settings.changes,
            keep=timedelta(hours=settings.changes_hours),
            more=[OrderNoticeSource(Outbox(database.fence, worker_id))] if ORDERS in domains else [],
        ),
        "dead letters": dead_letters_worker(settings.broker_url, dead, pulse("dead letters"), observe).run,
        "jobs": _jobs(settings, database, worker_id, pulse("jobs")),
        "loads": settler.run,
        "worker": worker.run,
    }
    if settings.resync_modes.any_auto:
        loops["resync"] = _auto_resync(settings, database, worker_id, pulse("resync"))
    loops |= _reminders(settings, database, worker_id, pulse)
    if ORDERS in domains:
        canceller = Canceller(
            CancellationQueue(database.fence, switchboard), _cancel_gateway(settings), pulse("canceller"), cancelled
        )
        order_queue = OrderQueue(database.fence, switchboard)
        further = partial(shop_order_queues, settings, database)
        orders = orders_worker(settings.broker_url, limits, order_store, pulse("orders"), observe, further)
        dispatcher = OrderDispatcher(
            order_queue,
            _erp_gateway(settings),
            pulse("dispatcher"),
            settings.orders_in_flight,
            settings.order_attempts,
            wake,
        )
        loops |= {"orders": orders.run, "dispatcher": dispatcher.run, "canceller": canceller.run}
    return Components(worker_id, switchboard, loops)


def build_admin(settings: Settings, database: Database, pulse: Callable[[str], threading.Event]) -> Components:
    """Build the parts of a process without a worker: the switchboard for the page, and the announcer of its changes."""
    announcer = Announcer(settings.broker_url, pulse("announcer"))
    switchboard = Switchboard(database.fence, announcer.announce, settings.shop_rules)
    name = f"{socket.gethostname()}-{getpid()}-admin"
    # Only a worker writes the history, and knows by its settings whether it is off.
    upkeep = _upkeep(replace(settings.retention, history=None), database, name, pulse("upkeep"))
    loops = {
        "announcer": announcer.run,
        "upkeep": upkeep,
        "jobs": _jobs(settings, database, name, pulse("jobs")),
        **_reminders(settings, database, name, pulse),
    }
    return Components(name, switchboard, loops)


def _upkeep(retention: Retention, database: Database, holder: str, stop: threading.Event) -> Callable[[], None]:
    return UpkeepLoop(database.fence, Upkeep(database.fence, retention, holder), stop).run


def _reminders(
    settings: Settings, database: Database, holder: str, pulse: Callable[[str], threading.Event]
) -> dict[str, Callable[[], None]]:
    """Return the loop of the reminders, by its name; nothing where none are sent."""
    channels = open_channels(settings)
    if not channels:
        return {}
    names = [channel.name for channel in channels]
    store = ReminderStore(database.fence, holder, names, settings.remind_after, settings.public_url)
    return {"reminders": ReminderLoop(store, channels, pulse("reminders")).run}


@contextmanager
def _open_publish(settings: Settings, name: str) -> Iterator[Publish]:
    with (
        Publisher(settings.broker_url, name=name, deadline=30.0) as publisher,
        resync_publish(settings, lambda messages: list(publisher.publish_all(messages))) as publish,
    ):
        yield publish


def _jobs(settings: Settings, database: Database, holder: str, stop: threading.Event) -> Callable[[], None]:
    return JobLoop(database.fence, holder, partial(_open_publish, settings, "replay"), stop).run


def _auto_resync(settings: Settings, database: Database, worker_id: str, stop: threading.Event) -> Callable[[], None]:
    after = timedelta(seconds=settings.resync_after)

    return AutoResync(
        ResyncPlan(database.fence, worker_id, after),
        MissedRequests(database.fence, after),
        partial(_open_publish, settings, "resync"),
        stop,
        settings.resync_modes,
        settings.resync_outstanding,
    ).run


def _erp_gateway(settings: Settings) -> ErpGateway:
    if settings.erp_url is None:
        return AmqpErpGateway(settings.broker_url, routes=settings.order_routes)
    return HttpErpGateway(
        settings.erp_url,
        settings.orders_in_flight,
        settings.erp_timeout,
        settings.erp_connect_timeout,
        erp_access(settings),
    )


def _cancel_gateway(settings: Settings) -> CancelGateway:
    if settings.erp_cancel_url is not None:
        return HttpCancelGateway(
            settings.erp_cancel_url, settings.erp_timeout, settings.erp_connect_timeout, erp_access(settings)
        )
    if settings.erp_url is not None:
        return NoCancelGateway()
    return AmqpCancelGateway(settings.broker_url, routes=settings.order_routes)
