"""deploy/kubernetes: valid by Kubernetes' own schemas, confined, and in step with topology and settings."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from comporta.runtime.metrics import WorkMetrics
from comporta.runtime.settings import PREFIX, Settings
from schemas.queue_policies import policies

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
KUSTOMIZATIONS = sorted(FOLDER.rglob("kustomization.yaml"))
SECRETS = {"comporta-user-credentials", "comporta-database", "comporta-database-owner", "comporta-operators"}


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


RESOURCES = {
    (document["kind"], document["metadata"]["name"]): document
    for path in sorted(FOLDER.rglob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in documents(path)
}
KEPT_BY_OPERATORS = {"keda.sh", "rabbitmq.com"}
OWN = {name: it for name, it in RESOURCES.items() if it["apiVersion"].split("/")[0] not in KEPT_BY_OPERATORS}
WITH_PODS = {name: it for name, it in OWN.items() if name[0] in {"Deployment", "Job"}}

every_pod = pytest.mark.parametrize("name", WITH_PODS, ids="/".join)


def pod_of(name: tuple[str, str]) -> dict[str, Any]:
    spec: dict[str, Any] = WITH_PODS[name]["spec"]["template"]["spec"]
    return spec


def container_of(name: tuple[str, str]) -> dict[str, Any]:
    [container] = pod_of(name)["containers"]
    assert isinstance(container, dict)
    return container


def labels_of(name: tuple[str, str]) -> dict[str, str]:
    labels: dict[str, str] = WITH_PODS[name]["spec"]["template"]["metadata"]["labels"]
    return labels


@pytest.mark.parametrize("name", OWN, ids="/".join)
def test_a_resource_is_valid(name: tuple[str, str]) -> None:
    # Here, since it takes two seconds to load, which all processes of a run would need to collect the tests.
    import kubernetes_validate

    kubernetes_validate.validate(OWN[name], "1.35", strict=True)


def test_every_file_is_part_of_it() -> None:
    named = set()
    for path in KUSTOMIZATIONS:
        [document] = documents(path)
        for entry in chain(document.get("resources", ()), document.get("components", ())):
            assert (path.parent / entry).exists(), entry
            named.add(path.parent / entry)
    files = {path for path in FOLDER.rglob("*.yaml") if path not in KUSTOMIZATIONS}
    assert files == {path for path in named if path.is_file()}
    kinds = {kind for kind, _ in RESOURCES}
    assert kinds >= {"Deployment", "Job", "PodDisruptionBudget", "NetworkPolicy", "ScaledObject", "RabbitmqCluster"}


@every_pod
def test_a_pod_has_no_right_that_it_could_do_without(name: tuple[str, str]) -> None:
    pod, container = pod_of(name), container_of(name)
    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume} <= SECRETS
    mounted = {volume["name"]: "secret" in volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        assert mounted[mount["name"]] == bool(mount.get("readOnly"))


@every_pod
def test_a_setting_is_known_and_no_password(name: tuple[str, str]) -> None:
    known = {PREFIX + setting.upper() for setting in Settings.model_fields}
    shared = dict(line.split("=", 1) for line in (FOLDER / "comporta.env").read_text().splitlines())
    own = {each["name"]: each["value"] for each in container_of(name).get("env", ())}
    assert {*shared, *own} <= known
    mounts = [mount["mountPath"] for mount in container_of(name)["volumeMounts"]]
    for setting, value in (shared | own).items():
        assert "PASSWORD" not in setting or setting.endswith("_FILE")
        assert "@" not in value
        assert not setting.endswith("_FILE") or str(Path(value).parent) in mounts, setting


@every_pod
def test_only_the_migration_changes_tables(name: tuple[str, str]) -> None:
    secrets = {
        volume["name"]: volume["secret"]["secretName"] for volume in pod_of(name)["volumes"] if "secret" in volume
    }
    assert secrets["database"] == ("comporta-database-owner" if name[0] == "Job" else "comporta-database")


@every_pod
def test_a_process_that_lasts_is_asked_how_it_is(name: tuple[str, str]) -> None:
    container = container_of(name)
    if name[0] == "Job":
        assert not {"livenessProbe", "readinessProbe"} & container.keys()
        return
    paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    # A process that waits for the broker is not ready, and alive.
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert {container[probe]["httpGet"]["port"] for probe in paths} == {container["ports"][0]["name"]}
    # A node is drained, and a release rolled out, one process at a time.
    budget = RESOURCES["PodDisruptionBudget", name[1]]["spec"]
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, labels_of(name))
    assert WITH_PODS[name]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_network_policies_choose_pods_that_are_there() -> None:
    [main] = documents(FOLDER / "kustomization.yaml")
    [labels] = main["labels"]
    assert labels["includeTemplates"] is True
    for (kind, name), resource in RESOURCES.items():
        if kind == "NetworkPolicy":
            chosen = resource["spec"]["podSelector"]["matchLabels"]
            fitting = [pod for pod in WITH_PODS if chosen.items() <= (labels_of(pod) | labels["pairs"]).items()]
            assert fitting, name
            ports = {port["name"] for pod in fitting for port in container_of(pod).get("ports", ())}
            for rule in resource["spec"].get("ingress", ()):
                assert {port["port"] for port in rule["ports"]} <= ports
    # Chosen for ingress without a rule: nobody reaches a process but by the other two.
    assert "ingress" not in RESOURCES["NetworkPolicy", "comporta"]["spec"]


def test_there_is_always_a_worker_and_more_of_them_follow_our_lag() -> None:
    spec = RESOURCES["ScaledObject", "comporta-worker"]["spec"]
    assert ("Deployment", spec["scaleTargetRef"]["name"]) in WITH_PODS
    assert 1 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
    assert "replicas" not in WITH_PODS["Deployment", "comporta-worker"]["spec"]
    [trigger] = spec["triggers"]
    [metric] = re.findall(r"comporta_\w+", trigger["metadata"]["query"])
    assert metric.removesuffix("_bucket") in {family.name for family in WorkMetrics().registry.collect()}


def test_the_broker_is_set_up_as_everywhere() -> None:
    written_policies = [document["spec"] for (kind, _), document in RESOURCES.items() if kind == "Policy"]
    assert [
        {
            "name": spec["name"],
            "pattern": spec["pattern"],
            "apply-to": spec["applyTo"],
            "definition": spec["definition"],
            "priority": spec["priority"],
        }
        for spec in written_policies
    ] == [*policies((4, 3))]
    rights = RESOURCES["Permission", "comporta"]["spec"]["permissions"]
    script = (FOLDER.parent / "rabbitmq" / "setup.sh").read_text()
    # There in JSON, in a shell's here-document.
    written = {right: value.replace(r"\\\\", "\\") for right, value in re.findall(r'"(\w+)": "(\^.*)"', script)}
    assert written == rights
    cluster = RESOURCES["RabbitmqCluster", "rabbitmq"]["spec"]
    hosts = re.findall(r"rabbitmq-server-(\d)\.rabbitmq-nodes:5672", (FOLDER / "comporta.env").read_text())
    assert [int(number) for number in hosts] == [*range(cluster["replicas"])]
    compose = yaml.safe_load((FOLDER.parents[1] / "docker-compose.yml").read_text())
    assert cluster["image"] == compose["services"]["rabbitmq"]["image"]
