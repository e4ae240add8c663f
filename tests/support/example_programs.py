"""Example programs, one a language: the command that runs each, its syntax check, and what is missing here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = [
    "ALL",
    "CHECKS",
    "COMPILE_JAVA",
    "CURL",
    "FOLDER",
    "JAVA",
    "NODE",
    "PHP",
    "PYTHON",
    "Example",
    "missing_programs",
    "run_command",
    "runnable",
    "with_output_folder",
]

FOLDER = Path(__file__).resolve().parents[2] / "examples"
# Where Debian's librabbitmq-client-java and php-amqplib put them.
_JARS = tuple(Path("/usr/share/java") / f"{name}.jar" for name in ("amqp-client", "slf4j-api", "slf4j-nop"))
_PHP_LIBRARY = Path("/usr/share/php/PhpAmqpLib/autoload.php")
_CLASSPATH = ":".join(str(jar) for jar in _JARS)


@dataclass(frozen=True)
class Example:
    """Example, the command that runs it, and the programs and files that this needs.

    `OUTPUT` in the command stands for a folder that the caller has for it.
    """

    name: str
    command: tuple[str, ...]
    needs: tuple[str | Path, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Programs and files that it needs and this machine does not have."""
        return [str(need) for need in self.needs if shutil.which(str(need)) is None and not Path(need).is_file()]

    def with_output_folder(self, folder: Path) -> Example:
        """Return the same with a folder for `OUTPUT`."""
        return replace(self, command=with_output_folder(folder, self.command))


def _at(path: str) -> str:
    return str(FOLDER / path)


PYTHON = Example("python", (sys.executable, _at("python/first_stock.py")))
NODE = Example("node", ("node", _at("node/first_stock.js")), ("node", "npm"))
CURL = Example("curl", ("sh", _at("curl/first_stock.sh")), ("curl",))
# Compiled once; the options make a short life quicker.
COMPILE_JAVA = ("javac", "-Xlint:all", "-Werror", "-cp", _CLASSPATH, "-d", "OUTPUT", _at("java/FirstStock.java"))
_JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{_CLASSPATH}:OUTPUT", "FirstStock")
JAVA = Example("java", _JAVA, ("java", "javac", *_JARS))
PHP = Example("php", ("php", _at("php/first_stock.php")), ("php", _PHP_LIBRARY))
ALL = (PYTHON, NODE, CURL, JAVA, PHP)

# Checks of the syntax alone, which need no library. javac is told to stop once it has parsed the file.
_PARSE = ("-XDshould-stop.ifNoError=PARSE", "-proc:none", "-d", "OUTPUT")
CHECKS = (
    Example("java", ("javac", *_PARSE, _at("java/FirstStock.java")), ("javac",)),
    Example("php", ("php", "-l", _at("php/first_stock.php")), ("php",)),
    Example("php client", ("php", "-l", _at("php/comporta_client.php")), ("php",)),
    Example("java client", ("javac", *_PARSE, _at("java/ComportaClient.java")), ("javac",)),
    Example("go client", ("gofmt", "-e", "-l", _at("go/comporta_client.go")), ("gofmt",)),
    Example("node", ("node", "--check", _at("node/first_stock.js")), ("node",)),
    Example("curl", ("sh", "-n", _at("curl/first_stock.sh")), ("sh",)),
)


def with_output_folder(folder: Path, command: Sequence[str]) -> tuple[str, ...]:
    """Return a command with a folder for `OUTPUT`."""
    return tuple(part.replace("OUTPUT", str(folder)) for part in command)


def runnable(*examples: Example) -> list[Example]:
    """Return those that this machine has everything for."""
    return [example for example in examples if not example.missing]


def missing_programs(*examples: Example) -> dict[str, list[str]]:
    """Return the names of the others, with what they lack."""
    return {example.name: example.missing for example in examples if example.missing}


def run_command(command: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with this environment alone beside the PATH."""
    kept = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
