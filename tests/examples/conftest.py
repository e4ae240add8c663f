"""What the examples run on: a Comporta for all of them, and their dependencies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.example_clients import CLIENTS
from tests.support.example_deployment import ExampleDeployment, running_example_deployment
from tests.support.example_programs import (
    ALL,
    CHECKS,
    COMPILE_JAVA,
    FOLDER,
    JAVA,
    NODE,
    Example,
    missing_programs,
    run_command,
    with_output_folder,
)
from tests.support.node import install_packages
from tests.support.services.broker import Broker


@pytest.fixture(scope="session")
def deployment(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleDeployment]:
    """A running Comporta."""
    with running_example_deployment(tmp_path_factory.mktemp("comporta"), rabbitmq.new_vhost()) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def node_modules() -> None:
    """The Node example's dependencies, as its lock file has them."""
    install_packages(FOLDER / "node")


@pytest.fixture(scope="session")
def java_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Java example, compiled against the client that is installed."""
    folder = tmp_path_factory.mktemp("java")
    done = run_command(with_output_folder(folder, COMPILE_JAVA))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def example(request: pytest.FixtureRequest) -> Example:
    """An example that is ready to run; one of those that must run fails here if its language is missing."""
    example: Example = request.param
    assert not example.missing, f"{', '.join(example.missing)} not installed: run `make services`"
    if example == NODE:
        request.getfixturevalue("node_modules")
    return example.with_output_folder(request.getfixturevalue("java_classes")) if example == JAVA else example


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the examples that nothing on this machine could run or check."""
    clients = (replace(client.example, name=f"{client.name} client") for client in CLIENTS)
    for did, examples in (("run", (*ALL, *clients)), ("checked by its own compiler", CHECKS)):
        for name, needs in missing_programs(*examples).items():
            terminalreporter.write_line(f"the {name} example was not {did}: {', '.join(needs)} not found here")
    terminalreporter.write_line("the csharp example and client were parsed, not compiled")
