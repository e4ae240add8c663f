"""Servers, and fresh databases and virtual hosts on them: started when a test first asks, gone when the tests end."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.engine import open_engine
from storage.migrate import migrate
from tests.support.programs import Programs, running_programs
from tests.support.services.broker import Broker, SharedRabbitMQ
from tests.support.services.postgres import Database, Postgres, SharedPostgres
from tests.support.services.processes import ServiceFailed, ServiceMissing, temporary_root
from tests.support.services.rabbitmq import RabbitMQ

# What takes long comes first, folder by folder: what the processes do in the end are short files of which neither
# waits for the other, and what the tests of a folder share is set up once in each.
_FIRST = ("faults", "e2e", "browser", "monitoring", "broker", "contract", "examples", "storage", "web")

# What `make test-platforms` runs, and nothing else, unless it is named.
collect_ignore = ["cluster", "image", "upgrade"]

# What asks for one of these by name, or for a parameter that is called so, needs more than Python.
_SERVICES = {"rabbitmq", "postgres", "browser", "node"}


def pytest_configure(config: pytest.Config) -> None:
    """Ends the services too when the tests are told to end, as Ctrl-C does; keeps what tests write in memory."""
    if root := temporary_root():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(root))
    # Of a folder a certificate is read when it is needed; of a file each client reads all, which takes it longer than
    # most answers.
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ.setdefault("SSL_CERT_DIR", ssl.get_default_verify_paths().openssl_capath)
    config.addinivalue_line("markers", "services: needs RabbitMQ, PostgreSQL, Chromium or Node (set by itself)")
    config.addinivalue_line("markers", "slow: takes more than five seconds of the two processors")
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("told to end", returncode=143))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the folders by how long their files take, and marks what needs services."""
    for item in items:
        chosen = getattr(item, "callspec", None)
        if _SERVICES & {*getattr(item, "fixturenames", ()), *(map(str, chosen.params.values()) if chosen else ())}:
            item.add_marker("services")
    root = Path(__file__).parent
    turns = {name: turn for turn, name in enumerate(_FIRST)}
    items.sort(key=lambda item: turns.get(item.path.relative_to(root).parts[0], len(turns)))


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A RabbitMQ: private, or the one that COMPORTA_TEST_BROKER_URL names."""
    _refuse_unmarked(request)
    named = os.environ.get("COMPORTA_TEST_BROKER_URL")
    try:
        broker: Broker = SharedRabbitMQ(named) if named else RabbitMQ()
        broker.open()
    except (ServiceMissing, ServiceFailed) as error:
        pytest.exit(str(error), returncode=1)
    yield broker
    broker.close()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A PostgreSQL: private, or the one that COMPORTA_TEST_DATABASE_URL names."""
    _refuse_unmarked(request)
    named = os.environ.get("COMPORTA_TEST_DATABASE_URL")
    try:
        database: Database = SharedPostgres(named) if named else Postgres()
        database.open()
    except (ServiceMissing, ServiceFailed) as error:
        pytest.exit(str(error), returncode=1)
    yield database
    database.close()


@pytest.fixture
def broker_url(rabbitmq: Broker) -> Iterator[str]:
    """A virtual host of RabbitMQ with nothing in it."""
    url = rabbitmq.new_vhost()
    yield url
    rabbitmq.release_vhost(url)


@pytest.fixture
def database_url(postgres: Database) -> Iterator[str]:
    """A PostgreSQL database with the newest tables and no rows."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the newest tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """An SQLite database with the newest tables and no rows."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'comporta.db')}"


@pytest.fixture(params=["sqlite", "postgres"])
def any_database_url(request: pytest.FixtureRequest) -> str:
    """The test is run on SQLite and on PostgreSQL, each with the newest tables and no rows."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url")
    return url


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Programs in a folder of the test, which end with it."""
    with running_programs(tmp_path) as programs:
        yield programs


@pytest.fixture(autouse=True)
def _fresh_memory_broker() -> Iterator[None]:
    # kombu's embedded broker lives in class attributes: the next test would find the queues of this one.
    yield
    if memory := sys.modules.get("kombu.transport.memory"):
        memory.Channel.queues.clear()
        memory.Channel.events.clear()
        memory.Transport.global_state.clear()


def _refuse_unmarked(request: pytest.FixtureRequest) -> None:
    # Else `make quick` would grow slow, and nobody would see why.
    if "not services" in request.config.getoption("markexpr"):
        pytest.fail("a test asks for a service by a way that its mark does not see")
