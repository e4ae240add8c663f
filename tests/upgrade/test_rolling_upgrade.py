"""Rolling upgrade: workers of the former release and of this one side by side on one schema, under flow."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from storage.engine import open_engine
from storage.migrate import alembic_config, newest_revision, read_revision
from tests.support.event_generator import BackgroundPublisher, EventGenerator
from tests.support.former_release import install_former
from tests.support.load_messages import KEYS, begun, expected_rows, first_rows, publish, whole_load
from tests.support.programs import Program, Programs, running_programs
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment


@pytest.fixture(scope="module")
def former_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_former(tmp_path_factory.mktemp("former"))


class Upgrade:
    """One deployment, and the programs of both releases."""

    def __init__(self, deployment: WorkerDeployment, former: Programs) -> None:
        self.deployment, self._former = deployment, former
        self._settings = deployment._settings({})

    def migrate_former(self) -> None:
        done = self._former.run("migrate", **self._settings)
        assert done.code == 0, done.err

    def migrate(self) -> str:
        """Migrate, and return what is said beside the revision."""
        done = self.deployment.programs.run("migrate", **self._settings)
        assert done.code == 0, done.err
        assert newest_revision() in done.out
        return done.err

    def revisions(self) -> list[str]:
        """Return the revisions that this release adds, in their order."""
        engine = open_engine(self.deployment.database_url)
        try:
            with engine.connect() as connection:
                script = ScriptDirectory.from_config(alembic_config())
                added = script.iterate_revisions("head", read_revision(connection))
                return [revision.revision for revision in added][::-1]
        finally:
            engine.dispose()

    def migrate_to(self, revision: str) -> None:
        """Take one step of the migration, as `migrate` takes them all."""
        engine = open_engine(self.deployment.database_url)
        try:
            with engine.begin() as connection:
                command.upgrade(alembic_config(connection), revision)
        finally:
            engine.dispose()

    def unique_indexes(self) -> list[tuple[str]]:
        """Return the unique indexes of the missed keys."""
        query = "SELECT indexname FROM pg_indexes WHERE tablename = 'missed' AND indexdef LIKE 'CREATE UNIQUE%%'"
        return self.deployment.queries.rows(query)

    def former_worker(self) -> Program:
        return self._former.worker(**self._settings)

    def worker(self) -> Program:
        return self.deployment.worker()

    def refused(self, programs: Programs) -> str:
        """Return what a worker says that does not start."""
        done = programs.run("worker", **self._settings)
        assert done.code != 0
        assert "Traceback" not in done.err
        return done.out + done.err


@pytest.fixture
def upgrade(rabbitmq: Broker, postgres: Database, tmp_path: Path, former_packages: Path) -> Iterator[Upgrade]:
    (tmp_path / "former").mkdir()
    former = Programs(tmp_path / "former", root=former_packages)
    with running_programs(tmp_path) as programs:
        deployment = WorkerDeployment(rabbitmq, rabbitmq.new_vhost(), postgres.new_empty_database(), programs)
        upgrade = Upgrade(deployment, former)
        upgrade.migrate_former()
        yield upgrade
        former.end()


def check_flow(upgrade: Upgrade, erp: BackgroundPublisher, generator: EventGenerator) -> None:
    """Events flow, and a pause holds, whichever of the workers takes it."""
    deployment = upgrade.deployment
    erp.wait_confirmed(erp.published + 200)
    deployment.pause("main")
    before = deployment.queries.table_states(generator.domain_shops)
    erp.wait_confirmed(erp.published + 200)
    assert deployment.queries.table_states(generator.domain_shops) == before
    deployment.resume("main")


def check_end(upgrade: Upgrade, generator: EventGenerator) -> None:
    deployment = upgrade.deployment
    deployment.publish(generator.events_of_all_keys())
    deployment.queries.wait_converged(generator)
    assert deployment.queries.missed("main") == {}
    deployment.wait_empty()
    balance = "SELECT (SELECT sum(count) FROM received) = (SELECT sum(count) FROM ledger)"
    assert deployment.queries.rows(balance) == [(True,)]


def test_the_migration_before_the_new_workers(upgrade: Upgrade) -> None:
    generator = EventGenerator("main", domains=("stock", "products"))
    former = upgrade.former_worker()
    with BackgroundPublisher(upgrade.deployment.broker_url, generator) as erp:
        check_flow(upgrade, erp, generator)
        upgrade.migrate()
        check_flow(upgrade, erp, generator)
        upgrade.worker()
        check_flow(upgrade, erp, generator)
        assert former.stop() == 0
        check_flow(upgrade, erp, generator)
    check_end(upgrade, generator)


def test_the_migration_while_both_releases_work(upgrade: Upgrade) -> None:
    generator = EventGenerator("main", domains=("stock", "products"))
    first, second = upgrade.former_worker(), upgrade.former_worker()
    with BackgroundPublisher(upgrade.deployment.broker_url, generator) as erp:
        upgrade.migrate()
        assert first.stop() == 0
        upgrade.worker()
        check_flow(upgrade, erp, generator)
        assert second.alive
        assert not [line for line in second.log if line.get("level") == "error"]
        assert second.stop() == 0
    check_end(upgrade, generator)


def test_the_former_worker_works_on_after_each_single_revision(upgrade: Upgrade) -> None:
    generator = EventGenerator("main", domains=("stock", "products"))
    former = upgrade.former_worker()
    revisions = upgrade.revisions()
    assert len(revisions) > 1
    with BackgroundPublisher(upgrade.deployment.broker_url, generator) as erp:
        erp.wait_confirmed(100)
        for revision in revisions:
            upgrade.migrate_to(revision)
            check_flow(upgrade, erp, generator)
            # None of its loops misses or finds anything that stops it.
            assert not [line for line in former.log if line.get("level") in {"error", "warning"}], revision
    assert former.stop() == 0
    upgrade.migrate()
    upgrade.worker()
    check_end(upgrade, generator)


def test_a_new_worker_before_the_migration_says_what_to_do(upgrade: Upgrade) -> None:
    generator = EventGenerator("main")
    former = upgrade.former_worker()
    with BackgroundPublisher(upgrade.deployment.broker_url, generator) as erp:
        assert "run `comporta migrate`" in upgrade.refused(upgrade.deployment.programs)
        check_flow(upgrade, erp, generator)
        upgrade.migrate()
        upgrade.worker()
        check_flow(upgrade, erp, generator)
        assert former.stop() == 0
    check_end(upgrade, generator)


def test_a_former_worker_that_starts_after_the_migration_says_what_to_do(upgrade: Upgrade) -> None:
    generator = EventGenerator("main")
    upgrade.migrate()
    upgrade.worker()
    with BackgroundPublisher(upgrade.deployment.broker_url, generator) as erp:
        assert "newer" in upgrade.refused(upgrade._former)
        check_flow(upgrade, erp, generator)
    check_end(upgrade, generator)


def test_the_missed_keys_lose_their_primary_key_once_no_former_worker_runs(upgrade: Upgrade) -> None:
    generator = EventGenerator("main", domains=("stock", "products"))
    former = upgrade.former_worker()
    with BackgroundPublisher(upgrade.deployment.broker_url, generator) as erp:
        erp.wait_confirmed(100)
        assert "keep their primary key" in upgrade.migrate()
        upgrade.worker()
        check_flow(upgrade, erp, generator)
        assert upgrade.unique_indexes() == [("missed_pkey",)]
        assert former.stop() == 0
        assert "have the narrow index" in upgrade.migrate()
        assert upgrade.unique_indexes() == [("missed_values",)]
        check_flow(upgrade, erp, generator)
    check_end(upgrade, generator)


def test_a_former_worker_that_works_on_afterwards_loses_nothing(upgrade: Upgrade) -> None:
    generator = EventGenerator("main", domains=("stock", "products"))
    former = upgrade.former_worker()
    deployment = upgrade.deployment
    with BackgroundPublisher(deployment.broker_url, generator) as erp:
        erp.wait_confirmed(100)
        upgrade.migrate()
        # As if nothing had been heard of it for an hour.
        deployment.queries.rows("UPDATE workers SET revision = '9999' RETURNING id")
        assert "have the narrow index" in upgrade.migrate()
        deployment.pause("main")
        wait_until(lambda: any("42P10" in str(line) for line in former.log), what="the former worker to be refused")
        assert deployment.queries.missed("main") == {}
        upgrade.worker()
        assert former.stop(signal.SIGKILL) != 0
        deployment.resume("main")
        check_flow(upgrade, erp, generator)
    check_end(upgrade, generator)


def test_a_full_load_through_workers_of_both_releases_is_exact(upgrade: Upgrade) -> None:
    deployment, shop = upgrade.deployment, "main"
    upgrade.former_worker()
    publish(deployment.broker_url, first_rows(), f"{shop}.products")
    deployment.queries.wait_accounted(shop, KEYS)
    upgrade.migrate()
    upgrade.worker()
    # All of it twice: a key that one of them has counted comes to the other again.
    load = whole_load()
    publish(deployment.broker_url, [begun(), *load, *load], f"{shop}.products")
    state = "SELECT min(state) FROM loads"
    wait_until(lambda: deployment.queries.rows(state) == [("completed",)], what="the load to be completed")
    rows = deployment.queries.rows("SELECT code, version, deleted FROM products WHERE shop = %s ORDER BY code", shop)
    assert rows == expected_rows()
