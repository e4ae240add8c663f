"""A private RabbitMQ: its own ports, data, cookie and port mapper, so that it meets no other on the machine."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import trustme

from schemas.partitions import PLUGIN
from schemas.queue_policies import policy_definitions
from tests.support.services.broker import SETTING, Broker, open_channel
from tests.support.services.platform import chosen_platform
from tests.support.services.ports import HOST, free_port, is_listening
from tests.support.services.processes import Process, data_folder, end, remove, spawn, wait_ready
from tests.support.services.rabbitmq_programs import rabbitmq_commands, speaks_amqp
from tests.support.wait import wait_until

__all__ = ["RabbitMQ"]

# Some 30 ms each when the broker starts; more are made when these are used up.
_VHOSTS_AT_ONCE = 25
# For what is done to the server itself; no test is ever given it.
_OWN_VHOST = "own"
_CONFIGURATION = """\
listeners.tcp.default = {host}:{port}
listeners.ssl.default = {host}:{tls_port}
ssl_options.cacertfile = {folder}/authority.pem
ssl_options.certfile = {folder}/server.pem
ssl_options.keyfile = {folder}/server.key
log.console = false
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 33554432
load_definitions = {definitions}
"""
_MANAGEMENT = "management.tcp.ip = {host}\nmanagement.tcp.port = {port}\n"
# Two schedulers that don't spin, and rabbitmqctl let in from the loopback only.
_ERLANG = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


class RabbitMQ(Broker):
    """Run from the installed programs; can be killed and started again on the same data and ports."""

    def __init__(self, *, management: bool = False) -> None:
        self._server, self._epmd_command, self._ctl, self._call = rabbitmq_commands(chosen_platform(), SETTING)
        self._management_port = free_port() if management else None
        super().__init__(f"amqp://guest:guest@{HOST}:{free_port()}/")
        self._tls_port, self._epmd_port = free_port(), free_port()
        self._folder = data_folder("rabbitmq")
        self._definitions = self._folder / "definitions.json"
        self._vhosts, self._released = list[str](), list[str]()
        self._made = 0
        self._epmd: Process | None = None
        self._process: Process | None = None
        self._environment = self._configure()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def management_url(self) -> str:
        """Where its management API answers, if it was asked for."""
        return f"http://{HOST}:{self._management_port}"

    def open(self) -> None:
        self.start()

    def start(self) -> None:
        log = self._folder / "output"
        if self._epmd is None:
            # Started by us: the one that Erlang starts for itself would outlive the tests.
            command = [*self._epmd_command, "-port", str(self._epmd_port), "-address", HOST]
            self._epmd = spawn(command, log=log, environment=self._environment)
            wait_ready(self._epmd, lambda: is_listening(self._epmd_port), name="epmd", log=log)
        if self._process is None:
            self._process = spawn(self._server, log=log, environment=self._environment)
            wait_ready(self._process, lambda: speaks_amqp(self.port), name="RabbitMQ", log=log)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._wait_for_terms()
        self._end(signal.SIGKILL)

    def close(self) -> None:
        self._end(signal.SIGKILL)
        if self._epmd is not None:
            end(self._epmd, signal.SIGTERM)
            self._epmd = None
        remove(self._folder)

    def tls(self, url: str) -> tuple[str, Path]:
        parts = urlsplit(url)
        netloc = parts.netloc.replace(f":{self.port}", f":{self._tls_port}")
        return urlunsplit(("amqps", netloc, *parts[2:])), self._folder / "authority.pem"

    def certify(self, certificate: trustme.LeafCert) -> None:
        """Show this certificate to every client that connects from now on."""
        self._write(certificate)
        self._evaluate("ssl:clear_pem_cache().")

    def _write(self, certificate: trustme.LeafCert) -> None:
        certificate.cert_chain_pems[0].write_to_path(self._folder / "server.pem")
        certificate.private_key_pem.write_to_path(self._folder / "server.key")

    def new_vhost(self) -> str:
        if not self._vhosts:
            self._delete_vhosts()
            self._define_vhosts()
            self._evaluate(
                f'{{ok, Text}} = file:read_file("{self._definitions}"), ok = rabbit_definitions:import_raw(Text).'
            )
        return self.url(self._vhosts.pop(0))

    def release_vhost(self, url: str) -> None:
        self._released.append(urlsplit(url).path[1:])

    def _delete_vhosts(self) -> None:
        """Delete what tests have released: 300 with their queues take a quarter of a processor."""
        released, self._released = self._released, []
        if released:
            names = ", ".join(f'<<"{vhost}">>' for vhost in released)
            self._evaluate(f'[rabbit_vhost:delete(V, <<"tests">>) || V <- [{names}]].')

    def _evaluate(self, expressions: str) -> None:
        """Evaluate Erlang's expressions in the node, in a twentieth of the time of rabbitmqctl."""
        cookie = (self._folder / ".erlang.cookie").read_text()
        command = [*self._call, "-c", cookie, "-sname", self._environment["RABBITMQ_NODENAME"], "-e"]
        done = subprocess.run(
            command,
            input=f"{expressions}\n",
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if not done.stdout.startswith("{ok,"):
            raise RuntimeError(f"{expressions}: {done.stderr.strip() or done.stdout.strip()}")

    def ctl(self, *arguments: str) -> str:
        """Return the output of rabbitmqctl for these arguments; takes about a second."""
        command = [*self._ctl, "--silent", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def disable_plugins(self) -> None:
        """Let it start without the plugins that Comporta uses."""
        (self._folder / "enabled_plugins").write_text("[].\n")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process, how)

    def _wait_for_terms(self) -> None:
        """Wait until the terms of all quorum queues are in their file.

        RabbitMQ 3.10 writes them up to 3 s late; a queue whose term was lost never lets itself be consumed again.
        """
        [terms] = self._folder.glob("data/*/quorum/*/meta.dets")
        # One term more, so that there is something left to write: whatever came before it goes with it.
        began = time.time_ns()
        with open_channel(self.url(_OWN_VHOST)) as channel:
            channel.queue_declare("terms", durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_delete("terms")
        wait_until(lambda: terms.stat().st_mtime_ns > began, what="RabbitMQ to write the terms of its queues")

    def _define_vhosts(self) -> None:
        self._vhosts = [f"test-{self._made + number}" for number in range(_VHOSTS_AT_ONCE)]
        self._made += _VHOSTS_AT_ONCE
        vhosts = [_OWN_VHOST, *self._vhosts]
        everything = {"user": "guest", "configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [{"name": "guest", "password": "guest", "tags": "administrator"}],
            "vhosts": [{"name": vhost} for vhost in vhosts],
            "permissions": [{"vhost": vhost, **everything} for vhost in vhosts],
            **policy_definitions(*vhosts),
        }
        self._definitions.write_text(json.dumps(definitions))

    def _configure(self) -> dict[str, str]:
        folder = self._folder
        self._define_vhosts()
        configuration = _CONFIGURATION.format(
            host=HOST, port=self.port, tls_port=self._tls_port, folder=folder, definitions=self._definitions
        )
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        self._write(authority.issue_cert(HOST))
        if self._management_port is not None:
            configuration += _MANAGEMENT.format(host=HOST, port=self._management_port)
        (folder / "rabbitmq.conf").write_text(configuration)
        plugins = PLUGIN if self._management_port is None else f"{PLUGIN},rabbitmq_management"
        (folder / "enabled_plugins").write_text(f"[{plugins}].\n")
        (folder / "environment").touch()
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return inherited | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": "comporta-test@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            # With these two the script becomes the server, instead of waiting for it: one process id to end.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_START_ARGS": "-noinput +B i",
        }
