"""Hosts on one machine: network namespaces on a bridge of their own, of which each can be cut off or killed."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

__all__ = ["Host", "Hosts"]

_NETWORK = "10.213.77"
_OURS = 254


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


class Host:
    """A namespace with one address; `prefix` starts a command in it that keeps its process id."""

    def __init__(self, name: str, number: int, bridge: str) -> None:
        self.name, self.address = name, f"{_NETWORK}.{number}"
        self._bridge, self._cable = bridge, f"v{number}"
        self.prefix = ("nsenter", f"--net=/run/netns/{name}", "--")

    def cut(self) -> None:
        """Let nothing through any more, and tell nobody: as a cable that is pulled behind a switch."""
        _ip("-n", self._bridge, "link", "set", self._cable, "down")

    def join(self) -> None:
        """Connect it again."""
        _ip("-n", self._bridge, "link", "set", self._cable, "up")

    def kill(self) -> None:
        """End all of its processes, as a power cut would, and let its connections end without a word."""
        self.cut()
        found = subprocess.run(["ip", "netns", "pids", self.name], check=True, capture_output=True, text=True)
        killed = []
        for number in found.stdout.split():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(number))
                process.kill()
                killed.append(process)
        psutil.wait_procs(killed, timeout=30)


class Hosts:
    """So many hosts, and this process beside them on the same bridge."""

    def __init__(self, *names: str) -> None:
        mark = f"ct{os.getpid()}"
        self._bridge, self._own = f"{mark}-bridge", f"{mark}o"
        self._hosts = {name: Host(f"{mark}-{name}", 11 + number, self._bridge) for number, name in enumerate(names)}

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def __enter__(self) -> Self:
        try:
            _ip("netns", "add", self._bridge)
            _ip("-n", self._bridge, "link", "add", "bridge", "type", "bridge")
            _ip("-n", self._bridge, "link", "set", "bridge", "up")
            for host in self._hosts.values():
                _ip("netns", "add", host.name)
                _ip("-n", host.name, "link", "set", "lo", "up")
                self._connect(["-n", host.name], "eth0", host.address, host._cable)
            self._connect([], self._own, f"{_NETWORK}.{_OURS}", "own")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _connect(self, where: list[str], name: str, address: str, cable: str) -> None:
        _ip(*where, "link", "add", name, "type", "veth", "peer", "name", cable, "netns", self._bridge)
        _ip("-n", self._bridge, "link", "set", cable, "master", "bridge")
        _ip("-n", self._bridge, "link", "set", cable, "up")
        _ip(*where, "address", "add", f"{address}/24", "dev", name)
        _ip(*where, "link", "set", name, "up")

    def _remove(self) -> None:
        for name in [self._bridge, *(host.name for host in self._hosts.values())]:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)
