"""Environment checks: settings, operators, ports."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx

from comporta.cli.doctor.findings import Finding
from comporta.runtime.settings import PREFIX, Settings, SettingsError, load_settings, unknown_names
from comporta.web.access import open_access

__all__ = ["operator_findings", "port_findings", "read_settings", "unknown_findings"]

_PATIENCE = 3.0


def read_settings() -> tuple[Settings | None, list[Finding]]:
    """Return the settings, None if they are invalid, and the findings on them."""
    try:
        settings = load_settings()
    except SettingsError as error:
        lines = str(error).splitlines()
        faults = lines[1:] or lines
        return None, [
            Finding.error("settings", fault.strip(), "correct it in the environment or in .env") for fault in faults
        ]
    return settings, [Finding.ok("settings", "all are valid; `comporta config show` prints them")]


def unknown_findings() -> Iterator[Finding]:
    """Yield a warning for each unknown name, which may be misspelt."""
    for name, source, suggestion in unknown_names():
        hint = f"did you mean {suggestion}?" if suggestion else "remove it; `comporta config show` prints all names"
        yield Finding.warning("settings", f"{name} ({source}) is not a setting", hint)


def operator_findings(settings: Settings) -> Iterator[Finding]:
    """Yield the finding on the operators, without whom the page and the API may not start."""
    try:
        open_access(settings)
    except SettingsError as error:
        yield Finding.error("operators", str(error), "or run workers only, which need no operators")
        return
    path = settings.operators_file
    yield Finding.ok("operators", f"{path} is valid" if path else "no operators file: the link gives access")


def port_findings(settings: Settings) -> Iterator[Finding]:
    """Yield the finding on each port: free, in use by Comporta, or in use by another program."""
    ports = [("ADMIN_PORT", settings.admin_host, settings.admin_port)]
    if settings.metrics_port is not None:
        ports.append(("METRICS_PORT", settings.metrics_host, settings.metrics_port))
    for name, host, port in ports:
        if port:
            yield _port(name, host, port)


def _port(name: str, host: str, port: int) -> Finding:
    health = _health(host, port)
    if health is not None:
        loops = "; ".join(f"{loop} {fault}" for loop, fault in health.items())
        if loops:
            return Finding.error(
                "ports", f"Comporta runs on port {port} and is not well: {loops}", "read its log, then restart it"
            )
        return Finding.ok("ports", f"Comporta runs on port {port} and is well")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return Finding.error(
            "ports", f"{host}:{port} can't be listened on: {error.strerror}", f"choose another {PREFIX}{name}"
        )
    return Finding.ok("ports", f"{host}:{port} is free")


def _health(host: str, port: int) -> dict[str, str] | None:
    """Return the unhealthy loops with their faults; None if Comporta does not answer on the port."""
    address = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    try:
        health = httpx.get(f"http://{address}:{port}/healthz", timeout=_PATIENCE, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return None
    if not isinstance(health, dict) or health.get("status") not in {"ok", "unwell"}:
        return None
    return dict(health.get("loops", {}))
