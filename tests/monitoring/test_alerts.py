"""The alerts: valid, each tested where it fires and just below, with a place to read what to do."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.alert_rules import PROMETHEUS_FOLDER, RULE_FILES, alert_rules, promtool, read_rules

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
CASES = "alert_rule_test"
CHANGES = [
    ("> 30 * 60", "> 31 * 60"),
    ("> 4 * 60 * 60", ">= 4 * 60 * 60"),
    ("[10m])) == 0", "[5m])) == 0"),
    ("> 10 * 60", ">= 10 * 60"),
    ('(comporta_orders{state="rejected"}) > 0', '(comporta_orders{state="rejected"}) >= 0'),
    ('(comporta_orders{state="stuck"}) > 0', '(comporta_orders{state="stuck"}) > 1'),
    ("(comporta_erp_failing_seconds) > 2 * 60", "(comporta_erp_failing_seconds) >= 2 * 60"),
    ("[2m])) == 0", "[2m])) >= 0"),
    ("> 60 < 60 * 60", ">= 60"),
    ("(min(comporta_worker_last_seen_seconds) > 60)", "(max(comporta_worker_last_seen_seconds) > 60)"),
    ("unless on () count", "and on () count"),
    ("quantile(0.95", "quantile(0.97"),
    ("total[10m])) > 30", "total[10m])) >= 30"),
    ("max(comporta_database_up) == 0", "min(comporta_database_up) == 0"),
    ("for: 5m", "for: 4m"),
    ("max(comporta_broker_up) == 0", "min(comporta_broker_up) == 0"),
    ('{queue=~"comporta[.].+"}) > 0', '{queue=~"comporta[.].+"}) >= 0'),
    ("max by (queue) (comporta_queue_consumers) == 0", "min by (queue) (comporta_queue_consumers) == 0"),
    ('comporta_consumption{state="delayed"}', 'comporta_consumption{state="stopped"}'),
    ("(comporta_queue_ready) > 1000", "(comporta_queue_ready) >= 1000"),
    ("for: 15m", "for: 14m"),
    ('{queue="comporta.dead"}', '{queue=~"comporta.+"}'),
    ("(abs(comporta_ledger_difference)) > 0", "(comporta_ledger_difference) > 0"),
    ('up{job="comporta"} == 0', 'up{job="comporta"} == 1'),
    ("> 0.01", ">= 0.01"),
    (">= 3", ">= 2"),
    ("> 0.9", ">= 0.9"),
    (">= 20", ">= 19"),
    ("(comporta_repair_stalled_seconds) > 60 * 60", "(comporta_repair_stalled_seconds) >= 60 * 60"),
    ("max(comporta_switch_off) == 1", "max(comporta_switch_off) == 0"),
    ("(comporta_loads_held) > 0", "(comporta_loads_held) >= 0"),
    ('comporta_reminders{state="failed"}', "comporta_reminders"),
    ("(comporta_feed_silent) == 1", "(comporta_feed_silent) == 0"),
]
TESTS = {name: name.replace(".yml", "_test.yml") for name in RULE_FILES}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", *RULE_FILES),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", *TESTS.values()),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_files_and_the_alerts_do_as_they_say(arguments: tuple[str, ...]) -> None:
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_where_it_fires_and_where_it_does_not() -> None:
    tested: dict[str, set[bool]] = defaultdict(set)
    for test in (test for name in TESTS.values() for test in read_rules(name)["tests"]):
        for case in test[CASES]:
            tested[case["alertname"]].add(bool(case["exp_alerts"]))
    assert dict(tested) == {alert["alert"]: {True, False} for alert in alert_rules()}


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """Folders with a rule file each in which one thing is changed, and its tests; all are valid rules."""
    root = tmp_path_factory.mktemp("changed")
    unchanged, tests = alert_rules(), {name: read_rules(file) for name, file in TESTS.items()}
    files: dict[tuple[str, str], Path] = {}
    for number, (before, after) in enumerate(CHANGES):
        name = next(name for name in RULE_FILES if before in (PROMETHEUS_FOLDER / name).read_text())
        folder = root / str(number)
        folder.mkdir()
        files[before, after] = folder / name
        files[before, after].write_text((PROMETHEUS_FOLDER / name).read_text().replace(before, after, 1))
        # All tests of a file take a second of a processor; those of the alert that is changed have to see it.
        [alert] = {rule["alert"] for rule in rules_of(folder / name) if rule not in unchanged}
        own = [each for each in tests[name]["tests"] if alert in {case["alertname"] for case in each[CASES]}]
        (folder / TESTS[name]).write_text(yaml.safe_dump({**tests[name], "tests": own}))
    done = promtool("check", "rules", *map(str, files.values()))
    assert done.returncode == 0, done.stdout + done.stderr
    return files


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_the_tests_of_the_alerts_see_when_one_is_changed(
    changed: dict[tuple[str, str], Path], before: str, after: str
) -> None:
    rules = changed[before, after]
    assert promtool("test", "rules", TESTS[rules.name], folder=rules.parent).returncode != 0


def test_each_alert_says_what_is_so_and_where_to_read_on() -> None:
    anchors = {_anchor(heading) for heading in re.findall(r"(?m)^#+ (.+)$", GUIDE.read_text())}
    for alert in alert_rules():
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in anchors


def rules_of(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def _anchor(heading: str) -> str:
    """Return the anchor that a page gives to a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
