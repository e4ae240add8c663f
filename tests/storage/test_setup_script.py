"""deploy/postgres/setup.sh on a real PostgreSQL: a role that owns its database and is nothing else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from storage.database import open_database
from storage.engine import open_engine
from storage.migrate import migrate
from tests.support.services.postgres import Database

SCRIPT = Path(__file__).parents[2] / "deploy" / "postgres" / "setup.sh"


@pytest.fixture
def role(postgres: Database) -> Iterator[str]:
    """A name that needs quotes, for the role and its database."""
    name = f"Comporta {uuid4().hex[:8]}"
    yield name
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        for made in (name, f"{name}_app"):
            connection.execute(f'DROP ROLE IF EXISTS "{made}"'.encode())


def run(url: str, role: str, password: str, folder: Path, app_password: str = "") -> None:
    """Run the script as the image of PostgreSQL does, and again."""
    (folder / "password").write_text(password + "\n")
    parts = urlsplit(url)
    environment = {
        "PATH": os.environ["PATH"],
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "COMPORTA_PASSWORD_FILE": str(folder / "password"),
        "COMPORTA_ROLE": role,
    }
    if app_password:
        (folder / "app_password").write_text(app_password + "\n")
        environment["COMPORTA_APP_PASSWORD_FILE"] = str(folder / "app_password")
    done = subprocess.run(["sh", SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert password not in done.stdout + done.stderr


def test_the_role_owns_its_database_and_is_nothing_else(postgres: Database, role: str, tmp_path: Path) -> None:
    passwords = []
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for password in ("o'ne\\ first", "other"):
            run(postgres.url("postgres"), role, password, tmp_path)
            row = connection.execute(
                "SELECT rolpassword, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin "
                "FROM pg_authid WHERE rolname = %s",
                (role,),
            ).fetchone()
            assert row is not None
            assert row[1:] == (False, False, False, False, False, True)
            passwords.append(row[0])
    assert passwords[0].startswith("SCRAM-SHA-256")
    assert passwords[0] != passwords[1]
    parts = urlsplit(postgres.url(role.replace(" ", "%20")))
    user = role.replace(" ", "%20")
    engine = open_engine(urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}")))
    migrate(engine)
    engine.dispose()
    with psycopg.connect(postgres.url("postgres")) as connection:
        connection.execute(f"CREATE ROLE stranger_{role.split()[1]}".encode())
        may = connection.execute(
            "SELECT has_database_privilege(%s, %s, 'CONNECT')", (f"stranger_{role.split()[1]}", role)
        ).fetchone()
        connection.rollback()
    assert may == (False,)


def test_the_role_of_workers_and_page_changes_rows_and_no_table(postgres: Database, role: str, tmp_path: Path) -> None:
    for _ in range(2):
        run(postgres.url("postgres"), role, "the owner's", tmp_path, "o'ne\\ more")
    quoted = role.replace(" ", "%20")
    parts = urlsplit(postgres.url(quoted))
    url = urlunsplit(parts._replace(netloc=f"{quoted}@{parts.netloc.rpartition('@')[2]}"))
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
    owner = open_database(url)
    owner.grant_app(f"{role}_app", dry_run=False)
    owner.close()
    with psycopg.connect(url.replace(f"//{quoted}@", f"//{quoted}_app@")) as connection:
        connection.execute("DELETE FROM stock")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE stock")
