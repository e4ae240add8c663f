"""Client of each language: the command that runs it, how it is compiled, and what is missing here."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.example_programs import FOLDER, JAVA, NODE, PHP, Example, with_output_folder

__all__ = ["CLIENTS", "GO_CLIENT", "NODE_CLIENT", "PARSED_CLIENT", "Client", "runnable_clients"]

_JARS = JAVA.command[JAVA.command.index("-cp") + 1].removesuffix(":OUTPUT")
# Where Debian's golang-github-rabbitmq-amqp091-go-dev puts it.
_GO_PATH = Path("/usr/share/gocode")
_GO_LIBRARY = _GO_PATH / "src/github.com/rabbitmq/amqp091-go/channel.go"


@dataclass(frozen=True)
class Client:
    """A client as an example, and the command that compiles it into a folder, `OUTPUT` in both."""

    example: Example
    compile: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return its language."""
        return self.example.name

    def built(self, folder: Path) -> tuple[str, ...]:
        """Compile it into the folder, and return the command that runs it."""
        if self.compile:
            # Go as Debian has it: the library's source lies in a folder, and no module is downloaded.
            go = {"GO111MODULE": "off", "GOPATH": str(_GO_PATH), "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
            done = subprocess.run(
                with_output_folder(folder, self.compile),
                env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **go},
                capture_output=True,
                text=True,
                timeout=110,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        return with_output_folder(folder, self.example.command)


def _at(path: str) -> str:
    return str(FOLDER / path)


PYTHON_CLIENT = Client(Example("python", (sys.executable, _at("python/comporta_client.py"))))
NODE_CLIENT = Client(Example("node", ("node", _at("node/comporta_client.js")), NODE.needs))
PHP_CLIENT = Client(Example("php", ("php", _at("php/comporta_client.php")), PHP.needs))
JAVA_CLIENT = Client(
    Example("java", (*JAVA.command[:-1], "ComportaClient"), JAVA.needs),
    ("javac", "-Xlint:all", "-Werror", "-cp", _JARS, "-d", "OUTPUT", _at("java/ComportaClient.java")),
)
GO_CLIENT = Client(
    Example("go", ("OUTPUT/client",), ("go", _GO_LIBRARY)),
    ("go", "build", "-o", "OUTPUT/client", _at("go/comporta_client.go")),
)
CLIENTS = (PYTHON_CLIENT, NODE_CLIENT, PHP_CLIENT, JAVA_CLIENT, GO_CLIENT)
# No compiler of C# is in Debian: it is parsed.
PARSED_CLIENT = FOLDER / "csharp" / "ComportaClient.cs"


def runnable_clients() -> list[Client]:
    """Return those that this machine has everything for; Python's and Node's are wanted everywhere."""
    return [client for client in CLIENTS if client in (PYTHON_CLIENT, NODE_CLIENT) or not client.example.missing]
