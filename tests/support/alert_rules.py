"""Alert rules of Prometheus, and promtool to check them with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

__all__ = ["PROMETHEUS_FOLDER", "RULE_FILES", "alert_rules", "promtool", "read_rules"]

PROMETHEUS_FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"

RULE_FILES = ("alerts.yml", "alerts_health.yml", "alerts_repair.yml")


def promtool(*arguments: str, folder: Path = PROMETHEUS_FOLDER) -> subprocess.CompletedProcess[str]:
    """Runs promtool in a folder."""
    program = shutil.which("promtool")
    assert program, "promtool is not installed: run `make services`"
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def read_rules(name: str) -> Any:
    """Read a file of the folder."""
    return yaml.safe_load((PROMETHEUS_FOLDER / name).read_text())


def alert_rules() -> list[dict[str, Any]]:
    """Return every alert."""
    return [rule for name in RULE_FILES for group in read_rules(name)["groups"] for rule in group["rules"]]
