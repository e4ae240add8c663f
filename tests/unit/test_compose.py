"""docker-compose.yml: every service confined and pinned, no password but in files, and all that it mounts is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from comporta.runtime.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LASTING = sorted(name for name, service in SERVICES.items() if service["restart"] != "no")
# They have no port that could be asked; the command itself ends with an error, and is started again.
UNASKED = {"simulated-erp", "simulated-erp-orders"}
# A volume of another minor version, or another major one, may not be readable.
PINNED = {"rabbitmq": r"4\.3(\.\d+)?-management", "postgres": r"18\.\d+", "comporta": ""}
MOUNTS = {"rabbitmq": "/var/lib/rabbitmq", "postgres": "/var/lib/postgresql", "grafana": "/var/lib/grafana"}

every_service = pytest.mark.parametrize("name", SERVICES)


def mounts(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The source, target and mode of what a service mounts."""
    return [(source, target, mode) for source, target, mode in (split(each) for each in service.get("volumes", ()))]


def split(mount: str) -> tuple[str, str, str]:
    source, target, *mode = mount.split(":")
    return source, target, mode[0] if mode else "rw"


def test_a_newcomer_finds_every_service() -> None:
    assert {"rabbitmq", "postgres", "migrate", "worker", "admin", "prometheus", "grafana"} <= {*SERVICES}
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["demo"]} == UNASKED


@every_service
def test_a_service_has_no_right_that_it_could_do_without(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in {"root", "0", "0:0"}
    assert not {"privileged", "cap_add", "pid", "network_mode", "devices"} & service.keys()


@every_service
def test_an_image_is_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert re.fullmatch(PINNED.get(image, r"v?\d+\.\d+\.\d+"), tag)


@every_service
def test_a_service_writes_to_volumes_alone(name: str) -> None:
    for source, target, mode in mounts(SERVICES[name]):
        if source.startswith("."):
            assert (mode, (ROOT / source).exists()) == ("ro", True), source
        else:
            assert source in COMPOSE["volumes"]
            assert target == MOUNTS.get(source, target)


@every_service
def test_a_port_is_open_on_this_machine_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@pytest.mark.parametrize("name", LASTING)
def test_a_service_that_lasts_is_asked_how_it_is(name: str) -> None:
    assert name in UNASKED or SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    for other, waits in SERVICES[name].get("depends_on", {}).items():
        lasts = other in LASTING
        assert waits == {"condition": "service_healthy" if lasts else "service_completed_successfully"}
        assert not lasts or "healthcheck" in SERVICES[other]


@every_service
def test_no_password_stands_in_a_setting(name: str) -> None:
    service = SERVICES[name]
    for setting, value in (service.get("environment") or {}).items():
        assert "PASS" not in setting or setting.endswith("_FILE"), setting
        assert not re.search(r"//[^/]*:[^/]*@", str(value)), setting
        if setting.endswith("_FILE") and str(value).startswith("/run/secrets/"):
            assert Path(value).name in service["secrets"]


def test_each_password_is_in_a_file_and_used() -> None:
    named = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert named == {*COMPOSE["secrets"]}
    assert all(secret.keys() == {"file"} for secret in COMPOSE["secrets"].values())
    # The comment at the top makes them all.
    [names] = re.findall(r"for name in ([a-z_ ]+); do", (ROOT / "docker-compose.yml").read_text())
    assert {f"{name}_password" for name in names.split()} == named


def test_only_the_servers_see_the_administrators_passwords() -> None:
    seen = {name: {*service.get("secrets", ())} for name, service in SERVICES.items()}
    assert {name for name, secrets in seen.items() if "rabbitmq_admin_password" in secrets} == {"rabbitmq"}
    assert {name for name, secrets in seen.items() if "postgres_admin_password" in secrets} == {"postgres"}


def test_only_the_migration_changes_tables() -> None:
    seen = {name: {*service.get("secrets", ())} for name, service in SERVICES.items()}
    assert {name for name, secrets in seen.items() if "postgres_password" in secrets} == {"postgres", "migrate"}
    for name, service in SERVICES.items():
        if service["image"] == "comporta":
            role = re.findall(r"//(\w+)@", service["environment"]["COMPORTA_DATABASE_URL"])
            assert role == ["comporta" if name == "migrate" else "comporta_app"]


def test_prometheus_and_grafana_reach_no_database() -> None:
    assert {name for name, service in SERVICES.items() if "backend" not in service["networks"]} == {
        "prometheus",
        "grafana",
    }
    assert "monitoring" not in SERVICES["postgres"]["networks"]


@every_service
def test_each_setting_of_ours_is_known(name: str) -> None:
    if SERVICES[name]["image"] == "comporta":
        known = {PREFIX + setting.upper() for setting in Settings.model_fields}
        assert {*SERVICES[name]["environment"]} <= known


def test_prometheus_scrapes_the_services_and_reads_the_alerts(tmp_path: Path) -> None:
    for source, target, _ in mounts(SERVICES["prometheus"]):
        if source.startswith("."):
            shutil.copy(ROOT / source, tmp_path / Path(target).name)
    done = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    configuration = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    for job in configuration["scrape_configs"]:
        for target in (target for config in job["static_configs"] for target in config["targets"]):
            service, port = target.split(":")
            assert "monitoring" in SERVICES[service]["networks"]
            published = [each.split(":")[-1] for each in SERVICES[service].get("ports", ())]
            assert port in [*SERVICES[service].get("expose", ()), *published]


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    folder = ROOT / "deploy/grafana/provisioning"
    [source] = yaml.safe_load((folder / "datasources/comporta.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((folder / "dashboards/comporta.yml").read_text())["providers"]
    targets = [target for _, target, _ in mounts(SERVICES["grafana"])]
    assert f"{provider['options']['path']}/comporta.json" in targets
