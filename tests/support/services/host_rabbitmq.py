"""RabbitMQ on a host of its own, as a node of a cluster."""

from __future__ import annotations

import json
import signal

from schemas.queue_policies import policy_definitions
from tests.support.services.hosts import Host
from tests.support.services.processes import spawn, wait_ready
from tests.support.services.rabbitmq import RabbitMQ
from tests.support.services.rabbitmq_programs import speaks_amqp

__all__ = ["HostRabbitMQ"]

PORT = 5672
_COOKIE = "comporta-test-hosts"
# The user guest may otherwise come from the same machine only. A node that is gone without a word is noticed by the
# others after a minute by default, whatever the queues' leaders do.
_OPEN = "loopback_users = none\nnet_ticktime = 10\n"


class HostRabbitMQ(RabbitMQ):
    """Node `rabbit@ADDRESS`, on the usual ports of its host."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host, self.node = host, f"rabbit@{host.address}"
        for command in (self._server, self._epmd_command, self._ctl):
            command[:0] = host.prefix
        configuration = self._folder / "rabbitmq.conf"
        lines = [line for line in configuration.read_text().splitlines() if not line.startswith(("listeners", "ssl_"))]
        configuration.write_text("\n".join([*lines, f"listeners.tcp.default = {host.address}:{PORT}", _OPEN]))
        cookie = self._folder / ".erlang.cookie"
        cookie.chmod(0o600)
        cookie.write_text(_COOKIE)
        cookie.chmod(0o400)
        self._environment |= {
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_NODE_IP_ADDRESS": host.address,
            "RABBITMQ_NODE_PORT": str(PORT),
            "RABBITMQ_DIST_PORT": "25672",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
            "ERL_EPMD_PORT": "4369",
            "ERL_EPMD_ADDRESS": host.address,
        }

    def start(self) -> None:
        log = self._folder / "output"
        if self._epmd is None or self._epmd.poll() is not None:
            self._epmd = spawn([*self._epmd_command, "-port", "4369"], log=log, environment=self._environment)
        if self._process is None:
            self._process = spawn(self._server, log=log, environment=self._environment)
            wait_ready(
                self._process, lambda: speaks_amqp(PORT, self.host.address), name="RabbitMQ", log=log, patience=120
            )

    def join(self, first: HostRabbitMQ) -> None:
        """Start it as a node beside the first one."""
        self.start()
        for command in (("stop_app",), ("reset",), ("join_cluster", first.node), ("start_app",)):
            self.ctl(*command)

    def kill(self) -> None:
        """End it at once; its host lives, and tells so."""
        self._end(signal.SIGKILL)

    def set_policy(self, vhost: str) -> None:
        """Set the policy that `comporta schema --rabbitmq --release 4.3` prints."""
        self._definitions.write_text(json.dumps(policy_definitions(vhost, release=(4, 3))))
        self.ctl("import_definitions", str(self._definitions))

    def leader(self, vhost: str, queue: str) -> str:
        """Return the node that leads a queue."""
        listed = self.ctl("list_queues", "--vhost", vhost, "--no-table-headers", "name", "leader")
        return dict(line.split() for line in listed.splitlines())[queue]
