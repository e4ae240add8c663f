"""RabbitMQ's programs: those of this machine, or of a platform."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import NamedTuple

from tests.support.services.platform import Platform
from tests.support.services.ports import HOST
from tests.support.services.processes import ServiceMissing

__all__ = ["Commands", "rabbitmq_commands", "speaks_amqp"]

Command = list[str | Path]


class Commands(NamedTuple):
    """Commands of the server, of Erlang's port mapper, of rabbitmqctl, and of calls into a node."""

    server: Command
    epmd: Command
    ctl: Command
    call: Command


def rabbitmq_commands(platform: Platform | None, setting: str) -> Commands:
    """Return the commands of this machine or of a platform."""
    if platform is None:
        server = _find_server(setting)
        epmd, call = (_find_erlang(name, setting) for name in ("epmd", "erl_call"))
        return Commands([server], [epmd], [server.parent / "rabbitmqctl"], [call])
    rabbitmq, erlang = "/usr/lib/rabbitmq/bin", "/usr/bin"
    inside = (f"{rabbitmq}/rabbitmq-server", f"{erlang}/epmd", f"{rabbitmq}/rabbitmqctl", f"{erlang}/erl_call")
    return Commands(*(platform.command(program) for program in inside))


def _find_server(setting: str) -> Path:
    # The script on Debian's PATH wants to be root and become the user rabbitmq; behind it is the plain one.
    found = shutil.which("/usr/lib/rabbitmq/bin/rabbitmq-server") or shutil.which("rabbitmq-server")
    if not found:
        raise ServiceMissing("RabbitMQ", setting)
    return Path(found).resolve()


def _find_erlang(name: str, setting: str) -> str:
    if not (found := shutil.which(name)):
        raise ServiceMissing(f"Erlang's {name}", setting)
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
