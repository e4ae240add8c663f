"""Puts the parts together: from settings to threads that can be started and stopped."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from os import getpid

from uuid_utils import uuid7

from broker.publisher import SinglePublisher
from consumers.beat import Beat
from consumers.control import Controller
from consumers.source import Intake
from consumers.worker import Worker
from control.settings import Settings
from producers.announcer import Announcer
from storage.database import Database
from storage.registrar import Registrar
from storage.store import Store
from storage.switchboard import Switchboard

__all__ = ["Parts", "assemble"]


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything one process runs, sharing one `stop`."""

    worker_id: str
    worker: Worker
    controller: Controller
    beat: Beat
    announcer: Announcer
    switchboard: Switchboard


def assemble(settings: Settings, database: Database, domains: Sequence[str], stop: threading.Event) -> Parts:
    """A worker for these domains with its control, heartbeat and announcements."""
    worker_id = f"{socket.gethostname()}-{getpid()}-{str(uuid7())[-6:]}"
    announcer = Announcer(settings.broker_url, stop)
    switchboard = Switchboard(database.fence, announcer.announce)
    intake = Intake(settings.batch_size, settings.batch_ms, settings.prefetch_count)
    store = Store(database.fence, switchboard, worker_id)
    return Parts(
        worker_id=worker_id,
        worker=Worker(settings.broker_url, domains, intake, store, stop),
        controller=Controller(
            settings.broker_url,
            switchboard,
            database.views.status,
            SinglePublisher(settings.broker_url, "replies").publish,
            stop,
        ),
        beat=Beat(Registrar(database.fence, worker_id, domains), switchboard, stop),
        announcer=announcer,
        switchboard=switchboard,
    )
