"""rabbitmqctl of a test's RabbitMQ, for scripts that look for it on the PATH."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from tests.support.services.rabbitmq import RabbitMQ

__all__ = ["write_rabbitmqctl"]


def write_rabbitmqctl(broker: RabbitMQ, folder: Path) -> None:
    """Write a program rabbitmqctl that speaks to this node."""
    settings = {name: value for name, value in broker._environment.items() if os.environ.get(name) != value}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    program = folder / "rabbitmqctl"
    program.write_text("\n".join(["#!/bin/sh", *lines, f'exec {shlex.join(map(str, broker._ctl))} "$@"', ""]))
    program.chmod(0o755)
