"""What is around: the settings, the ports, who may come in, the ERP's address."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from comporta.cli.doctor.finding import Finding
from comporta.runtime.settings import PREFIX, Settings, SettingsError, load_settings, redacted, unknown_names
from comporta.web.access import open_access

__all__ = ["erp_findings", "operator_findings", "port_findings", "read_settings", "unknown_findings"]

_PATIENCE = 3.0


def read_settings() -> tuple[Settings | None, list[Finding]]:
    """The settings, None if they can't be used, and what is wrong with them."""
    try:
        settings = load_settings()
    except SettingsError as error:
        lines = str(error).splitlines()
        faults = lines[1:] or lines
        return None, [
            Finding.error("settings", fault.strip(), "correct it in the environment or in .env") for fault in faults
        ]
    return settings, [Finding.ok("settings", "all can be used; `comporta config show` prints them")]


def unknown_findings() -> Iterator[Finding]:
    """Names that are perhaps misspelt."""
    for name, source, meant in unknown_names():
        hint = f"did you mean {meant}?" if meant else "remove it; `comporta config show` prints the names there are"
        yield Finding.warning("settings", f"{name} ({source}) is not a setting", hint)


def operator_findings(settings: Settings) -> Iterator[Finding]:
    """Whether the page and the API would start with those who may use them."""
    try:
        open_access(settings)
    except SettingsError as error:
        yield Finding.error("operators", str(error), "or run workers only, which need no operators")
        return
    named = settings.operators_file
    yield Finding.ok(
        "operators", f"{named} can be used" if named else "none are named: whoever has the link may come in"
    )


def port_findings(settings: Settings) -> Iterator[Finding]:
    """Whether each port is free, or Comporta's already."""
    ports = [("ADMIN_PORT", settings.admin_host, settings.admin_port)]
    if settings.metrics_port is not None:
        ports.append(("METRICS_PORT", settings.metrics_host, settings.metrics_port))
    for name, host, port in ports:
        if port:
            yield _port(name, host, port)


def erp_findings(settings: Settings) -> Iterator[Finding]:
    """Whether the ERP's address accepts connections; no order is sent."""
    if settings.erp_url is None:
        return
    parts = urlsplit(settings.erp_url)
    where = redacted("erp_url", settings.erp_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_PATIENCE).close()
    except OSError as error:
        why = error.strerror or "no answer in time"
        yield Finding.error("ERP", f"{where} can't be reached: {why}", f"check {PREFIX}ERP_URL; until then orders wait")
        return
    yield Finding.ok("ERP", f"{where} accepts connections")


def _port(name: str, host: str, port: int) -> Finding:
    health = _health(host, port)
    if health is not None:
        loops = "; ".join(f"{loop} {why}" for loop, why in health.items())
        if loops:
            return Finding.error(
                "ports", f"Comporta runs on port {port} and is not well: {loops}", "restart it; see its log first"
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
    """The loops that are not well, where Comporta answers; None where it does not."""
    named = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    try:
        answer = httpx.get(f"http://{named}:{port}/healthz", timeout=_PATIENCE, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return None
    if not isinstance(answer, dict) or answer.get("status") not in {"ok", "unwell"}:
        return None
    return dict(answer.get("loops", {}))
