"""RabbitMQ's programs: those of this machine, or of a platform."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from tests.support.services.platform import Platform
from tests.support.services.ports import HOST
from tests.support.services.processes import ServiceMissing

__all__ = ["Command", "rabbitmq_commands", "speaks_amqp"]

Command = list[str | Path]


def rabbitmq_commands(platform: Platform | None, setting: str) -> tuple[Command, Command, Command]:
    """Return the commands of the server, of Erlang's port mapper and of rabbitmqctl."""
    if platform is None:
        server = _find_server(setting)
        return [server], [_find_epmd(setting)], [server.parent / "rabbitmqctl"]
    server_inside, ctl = (f"/usr/lib/rabbitmq/bin/{name}" for name in ("rabbitmq-server", "rabbitmqctl"))
    return platform.command(server_inside), platform.command("/usr/bin/epmd"), platform.command(ctl)


def _find_server(setting: str) -> Path:
    # The script on Debian's PATH wants to be root and become the user rabbitmq; behind it is the plain one.
    found = shutil.which("/usr/lib/rabbitmq/bin/rabbitmq-server") or shutil.which("rabbitmq-server")
    if not found:
        raise ServiceMissing("RabbitMQ", setting)
    return Path(found).resolve()


def _find_epmd(setting: str) -> str:
    if not (found := shutil.which("epmd")):
        raise ServiceMissing("Erlang's epmd", setting)
    return found


def speaks_amqp(port: int, host: str = HOST) -> bool:
    """Return whether something that speaks AMQP listens there."""
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            # A method frame: connection.start.
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
