"""systemd units: read by systemd itself without a complaint, and confined."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
NAMES = sorted(path.name for path in UNITS.glob("*.service"))
INSTALLED = "/opt/comporta/bin/comporta"
# From 0 (confined) to 100; a service without any hardening has 96.
MOST_EXPOSED = 20


def analyze(*arguments: str, folder: Path) -> str:
    """Run systemd-analyze, and return what it complains of; fail with one line where it is missing."""
    if not (program := shutil.which("systemd-analyze")):
        pytest.fail("systemd-analyze is missing: install systemd (`make services`)", pytrace=False)
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 and not done.stderr else done.stderr + done.stdout


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with this installation's program: systemd looks whether it is there."""
    program = Path(sys.executable).with_name("comporta")
    for name in NAMES:
        text = (UNITS / name).read_text()
        assert INSTALLED in text
        (tmp_path / name).write_text(text.replace(INSTALLED, str(program)))
    return tmp_path


def test_systemd_accepts_every_unit(units: Path) -> None:
    assert NAMES == ["comporta-admin.service", "comporta-migrate.service", "comporta-worker.service"]
    assert analyze("verify", "--man=no", *(f"./{name}" for name in NAMES), folder=units) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_is_confined(units: Path, name: str) -> None:
    found = analyze(
        "security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED}", f"./{name}", folder=units
    )
    assert found == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_has_no_password(name: str) -> None:
    text = (UNITS / name).read_text()
    assert "LoadCredential=broker_password:" in text
    assert "LoadCredential=database_password:" in text
    assert "_PASSWORD=" not in text
