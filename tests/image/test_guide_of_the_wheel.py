"""Installation and upgrade of the wheel as the guide shows them, from the registry that pip is set up with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.services.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "node_modules", "__pycache__", "*.egg-info")


def blocks(guide: str) -> list[str]:
    """The commands of a guide, a block each."""
    text = (ROOT / "docs" / "first-day" / guide).read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(580)
def test_the_guide_installs_and_upgrades_the_wheel_without_the_development_tools(tmp_path: Path) -> None:
    install, upgrade = blocks("install.md")[0], blocks("install.md")[-1]
    assert [install, upgrade] == [blocks("install.pt-BR.md")[0], blocks("install.pt-BR.md")[-1]]
    sources = shutil.copytree(ROOT, tmp_path / "comporta", ignore=_LEFT_OUT)
    program, noted = tmp_path / "opt", tmp_path / "noted"
    services = tmp_path / "bin"
    services.mkdir()
    # What belongs to the machine is noted.
    (services / "systemctl").write_text(f'#!/bin/sh\necho "$*" >> {noted}\n')
    (services / "systemctl").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COMPORTA_", "PYTHON"))}
    environment["PATH"] = f"{services}{os.pathsep}{environment['PATH']}"

    def run(script: str) -> str:
        script = script.replace("sudo ", "").replace("/opt/comporta", str(program))
        done = subprocess.run(
            ["bash", "-euc", script], cwd=sources, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    version = run(install).splitlines()[-1]
    assert re.match(r"comporta \d+\.\d+\.\d+", version)
    run(upgrade)
    assert noted.read_text() == "restart comporta-migrate comporta-worker comporta-admin\n"
    command = program / "bin" / "comporta"
    shutil.rmtree(sources)
    done = subprocess.run(
        [command, "demo", "--seconds", "3", "--port", str(free_port())],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, "difference 0" in done.stdout) == (0, True), done.stderr
    python = program / "bin" / "python"
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"^(pytest|ruff|mypy|playwright)\b", listed, re.MULTILINE)
