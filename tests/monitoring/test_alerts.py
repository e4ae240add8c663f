"""The alerts: valid, each tested where it fires and just below, with a place to read what to do."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.alert_rules import PROMETHEUS_FOLDER, alert_rules, promtool, read_rules


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_files_and_the_alerts_do_as_they_say(arguments: tuple[str, ...]) -> None:
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_where_it_fires_and_where_it_does_not() -> None:
    tested: dict[str, set[bool]] = defaultdict(set)
    for test in read_rules("alerts_test.yml")["tests"]:
        for case in test["alert_rule_test"]:
            tested[case["alertname"]].add(bool(case["exp_alerts"]))
    assert dict(tested) == {alert["alert"]: {True, False} for alert in alert_rules()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("> 30 * 60", "> 31 * 60"),
        ("> 4 * 60 * 60", ">= 4 * 60 * 60"),
        ("[10m])) == 0", "[5m])) == 0"),
        ("> 10 * 60", ">= 10 * 60"),
        ('(comporta_orders{state="rejected"}) > 0', '(comporta_orders{state="rejected"}) >= 0'),
        ('(comporta_orders{state="stuck"}) > 0', '(comporta_orders{state="stuck"}) > 1'),
        ("(comporta_erp_failing_seconds) > 2 * 60", "(comporta_erp_failing_seconds) >= 2 * 60"),
        ("[2m])) == 0", "[2m])) >= 0"),
        ("delta(comporta_quarantined[15m])) > 0", "delta(comporta_quarantined[15m])) >= 0"),
        ("> 60 < 60 * 60", ">= 60"),
        ("(min(comporta_worker_last_seen_seconds) > 60)", "(max(comporta_worker_last_seen_seconds) > 60)"),
        ("unless on () count", "and on () count"),
        ("quantile(0.95", "quantile(0.97"),
        ("total[10m])) > 30", "total[10m])) >= 30"),
        ("max(comporta_database_up) == 0", "min(comporta_database_up) == 0"),
        ("for: 5m", "for: 4m"),
    ],
)
def test_the_tests_of_the_alerts_see_when_one_is_changed(tmp_path: Path, before: str, after: str) -> None:
    rules = (PROMETHEUS_FOLDER / "alerts.yml").read_text()
    assert before in rules
    (tmp_path / "alerts.yml").write_text(rules.replace(before, after, 1))
    shutil.copy(PROMETHEUS_FOLDER / "alerts_test.yml", tmp_path)
    assert promtool("check", "rules", "alerts.yml", folder=tmp_path).returncode == 0
    assert promtool("test", "rules", "alerts_test.yml", folder=tmp_path).returncode != 0


def test_each_alert_says_what_is_so_and_where_to_read_on() -> None:
    for alert in alert_rules():
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"].startswith("docs/operations.md#")
