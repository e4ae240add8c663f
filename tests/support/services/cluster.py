"""Cluster of RabbitMQ nodes on one machine, of which some can be made to stand still."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from tests.support.services.ports import HOST
from tests.support.services.rabbitmq import RabbitMQ

__all__ = ["Cluster"]

_COOKIE = "comporta-test-cluster"


class _Node(RabbitMQ):
    def __init__(self, number: int, first: _Node | None) -> None:
        super().__init__()
        self.name_in_cluster = f"comporta-{number}@localhost"
        self._environment["RABBITMQ_NODENAME"] = self.name_in_cluster
        cookie = self._folder / ".erlang.cookie"
        cookie.chmod(0o600)
        cookie.write_text(_COOKIE)
        cookie.chmod(0o400)
        if first is not None:
            # One port mapper for all; the first node ends it.
            self._epmd_port = first._epmd_port
            self._environment["ERL_EPMD_PORT"] = str(first._epmd_port)

    def start_with(self, first: _Node) -> None:
        self._epmd = first._epmd
        self.start()
        self._epmd = None
        for command in (("stop_app",), ("reset",), ("join_cluster", first.name_in_cluster), ("start_app",)):
            self.ctl(*command)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class Cluster:
    """Some nodes that know each other; `url` names them all."""

    def __init__(self, size: int = 3) -> None:
        self._stack = ExitStack()
        first = _Node(0, None)
        self.nodes = [first, *(_Node(number, first) for number in range(1, size))]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            first = self.nodes[0]
            stack.callback(first.close)
            first.start()
            for node in self.nodes[1:]:
                stack.callback(node.close)
                node.start_with(first)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The broker URL of a virtual host on all nodes."""
        vhost = urlsplit(self.nodes[0].new_vhost()).path
        return f"amqp://guest:guest@{','.join(node.address for node in self.nodes)}{vhost}"

    def leaders(self, url: str) -> set[str]:
        """Return the names of the nodes that lead a queue of a virtual host."""
        vhost = unquote(urlsplit(url).path.removeprefix("/"))
        return {*self.nodes[0].ctl("list_queues", "--vhost", vhost, "--no-table-headers", "leader").split()}

    @contextmanager
    def alone(self, address: str) -> Iterator[None]:
        """Leave one node without a majority: the others stand still."""
        others = [node for node in self.nodes if node.address != address]
        assert len(others) == len(self.nodes) - 1
        for node in others:
            node.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for node in others:
                node.send(signal.SIGCONT)
