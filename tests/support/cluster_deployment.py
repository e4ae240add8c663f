"""Deployment on seven hosts: three nodes of RabbitMQ, a primary and its standby, and workers on two hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.database_queries import DatabaseQueries
from tests.support.programs import Program, Programs
from tests.support.services.host_postgres import HostPostgres
from tests.support.services.host_rabbitmq import PORT, HostRabbitMQ
from tests.support.services.hosts import Hosts

__all__ = ["HostDeployment", "running_deployment"]


class HostDeployment:
    """Everything that runs, by the host that it runs on."""

    def __init__(self, hosts: Hosts, folder: Path, stack: ExitStack) -> None:
        self.hosts = hosts
        self.nodes = [HostRabbitMQ(hosts[name]) for name in ("rabbit1", "rabbit2", "rabbit3")]
        self.primary, self.standby = HostPostgres(hosts["data1"]), HostPostgres(hosts["data2"])
        self.places = {name: Programs(_made(folder / name), hosts[name].prefix) for name in ("work1", "work2")}
        for each in (*self.nodes, self.primary, self.standby):
            stack.callback(each.close)
        for place in self.places.values():
            stack.callback(place.end)
        self.workers: dict[str, Program] = {}

    def start(self) -> None:
        """Start the servers, then a worker on each host."""
        first, *others = self.nodes
        first.start()
        for node in others:
            node.join(first)
        self.primary.start()
        self.standby.copy(self.primary)
        self.vhost_path = urlsplit(first.new_vhost()).path
        first.set_policy(self.vhost)
        database = urlsplit(self.primary.new_database()).path
        self.database_url = (
            f"postgresql://comporta@{self.primary.address},{self.standby.address}{database}"
            "?target_session_attrs=read-write"
        )
        for name in self.places:
            self.start_worker(name)

    def start_worker(self, name: str) -> None:
        settings = {"broker_url": self.url(), "database_url": self.database_url, "log_format": "json"}
        self.workers[name] = self.places[name].worker(**settings)

    def url(self, *, without: HostRabbitMQ | None = None) -> str:
        """Return the broker's URL, with all nodes but one that is known to be gone."""
        nodes = [f"{node.host.address}:{PORT}" for node in self.nodes if node is not without]
        return f"amqp://guest:guest@{','.join(nodes)}{self.vhost_path}"

    @property
    def vhost(self) -> str:
        return unquote(self.vhost_path.removeprefix("/"))

    @property
    def queries(self) -> DatabaseQueries:
        return DatabaseQueries(self.database_url)

    def leader(self, queue: str) -> HostRabbitMQ:
        """Return the node that leads a queue."""
        name = self.nodes[0].leader(self.vhost, queue)
        return next(node for node in self.nodes if node.node == name)


@contextmanager
def running_deployment(folder: Path) -> Iterator[HostDeployment]:
    """Run everything for as long as the block lasts."""
    with ExitStack() as stack:
        hosts = stack.enter_context(Hosts("rabbit1", "rabbit2", "rabbit3", "data1", "data2", "work1", "work2"))
        deployment = HostDeployment(hosts, folder, stack)
        deployment.start()
        yield deployment


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
