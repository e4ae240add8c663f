"""Go reference, built with Debian's Go and its libraries; left out where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from bench.processes import MeasurementFailed
from bench.results import LeftOut

__all__ = ["build"]

_SOURCES = Path(__file__).with_name("go")
# Debian's packages of Go libraries install their sources here: nothing is downloaded.
_LIBRARIES = Path("/usr/share/gocode")
_NEEDED = ("github.com/rabbitmq/amqp091-go", "github.com/jackc/pgx/v4")


@cache
def build() -> Path:
    """Build the program from its sources; raise `LeftOut` if Go or a library is missing."""
    missing = [name for name in _NEEDED if not (_LIBRARIES / "src" / name).is_dir()]
    compiler = shutil.which("go")
    if compiler is None or missing:
        raise LeftOut(f"{', '.join(missing) if compiler else 'go'} is missing: bench/install.sh names the packages")
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = cache_home / "comporta-bench" / "reference"
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(_LIBRARIES), "GOFLAGS": ""}
    command = [compiler, "build", "-o", str(program), "."]
    process = subprocess.run(command, cwd=_SOURCES, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise MeasurementFailed(f"the Go reference can't be built:\n{process.stderr[-2000:]}")
    return program
