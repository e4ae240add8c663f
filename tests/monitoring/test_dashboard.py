"""The dashboard and the alerts ask for what real processes expose, labels included, and for nothing else."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.alert_rules import alert_rules, promtool
from tests.support.event_generator import TimedEvent
from tests.support.monitored_deployment import MonitoredDeployment
from tests.support.wait import wait_until

DASHBOARD = json.loads((Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "comporta.json").read_text())
# Labels that Prometheus adds to every metric of a process, and its own metric of whether it could be scraped.
_PROMETHEUS = {"job", "instance"}
# A metric with the labels that choose its series, and the labels that something is grouped or joined by.
_METRIC = re.compile(r"\b(comporta_[a-z_]+|process_[a-z_]+|up)\b(?:\{([^}]*)\})?")
_CHOSEN = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPED = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
_LEGEND = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")


def expressions() -> Iterator[str]:
    """Every expression of dashboard and alerts."""
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    yield from (alert["expr"] for alert in alert_rules())


@pytest.fixture(scope="module")
def exposed(deployment: MonitoredDeployment) -> dict[str, set[str]]:
    """What worker and page expose together, once something has happened."""
    deployment.publish(TimedEvent("stock", "drawn", "a", 1))
    wait_until(lambda: deployment.worker.value("comporta_events_total", shop="drawn"), what="the event to be counted")
    wait_until(lambda: deployment.admin.value("comporta_feed_behind_seconds", shop="drawn"), what="the feed to be seen")
    names = {**deployment.worker.names, **deployment.admin.names}
    return {name: labels | _PROMETHEUS for name, labels in {**names, "up": set()}.items()}


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_metric_and_label_that_is_asked_for_exists(exposed: dict[str, set[str]], expression: str) -> None:
    asked = _METRIC.findall(expression)
    assert asked
    for name, chosen in asked:
        assert name in exposed
        assert set(_CHOSEN.findall(chosen)) <= exposed[name]
    grouped = {label.strip() for labels in _GROUPED.findall(expression) for label in labels.split(",")} - {""}
    assert grouped <= set().union(*(exposed[name] for name, _ in asked))


def test_every_metric_there_is_is_drawn(exposed: dict[str, set[str]]) -> None:
    drawn = {name for panel in DASHBOARD["panels"] for t in panel["targets"] for name, _ in _METRIC.findall(t["expr"])}
    there = {name for name in exposed if name.startswith("comporta_")}
    assert {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in there} == {
        name.removesuffix("_bucket") for name in drawn if name.startswith("comporta_")
    }


def test_legends_name_labels_that_are_left_after_grouping() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            grouped = {label.strip() for labels in _GROUPED.findall(target["expr"]) for label in labels.split(",")}
            assert set(_LEGEND.findall(target["legendFormat"])) <= grouped


def test_prometheus_understands_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    known = {"$__rate_interval": "5m", "$shop": ".*", "$domain": ".*"}
    found = []
    for expression in (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]):
        for variable, value in known.items():
            expression = expression.replace(variable, value)
        found.append(expression)
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(found)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done: subprocess.CompletedProcess[str] = promtool("check", "rules", "panels.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_have_ids_of_their_own_fit_beside_each_other_and_take_the_chosen_source() -> None:
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [cell for panel in panels for cell in _cells(panel["gridPos"])]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    sources = [part["datasource"] for panel in panels for part in (panel, *panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert all(panel["title"] and panel["description"] for panel in panels)


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])]
