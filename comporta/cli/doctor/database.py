"""Database checks: connection, version, schema, permissions, clock, transactions inside the fence."""

from __future__ import annotations

from collections.abc import Iterator

from comporta.cli.doctor.findings import Finding
from comporta.runtime.settings import PREFIX, Settings
from storage.database import open_database
from storage.diagnostics import Checkup
from storage.engine import APPLICATION, LIMITS_MS, STATEMENT_MS, masked
from storage.errors import Unavailable
from storage.fence import foreign_way_out
from storage.server_faults import MOST_CONNECTIONS, READ_ONLY, server_fault

__all__ = ["clock_finding", "database_findings"]

_PART = "database"
_OLDEST = 15
# The end of a pause and stale messages are judged by the database's clock, while operators read their own.
_SKEW, _BIG_SKEW = 1.0, 5.0
# A batch takes milliseconds; a transaction that is inside the fence for so long holds up every switch.
_LONG = 2.0


def database_findings(settings: Settings) -> Iterator[Finding]:
    """Yield the findings on the database, a single one if it can't be reached."""
    database = open_database(settings.database_url)
    where = masked(settings.database_url)
    if not database.is_there:
        yield Finding.warning(_PART, f"{where} does not exist yet", "`comporta run` or `comporta migrate` creates it")
        return
    try:
        checkup = database.check_up()
    except Unavailable as error:
        yield Finding.error(
            _PART, f"{where}: {error.problem}", error.way_out or f"start it, or check {PREFIX}DATABASE_URL"
        )
        return
    finally:
        database.close()
    yield _reached(where, checkup)
    yield _schema(checkup)
    yield _rights(checkup)
    if database.is_sqlite:
        return
    yield from _limits(checkup)
    yield from _pooler(checkup)
    yield from _standbys(checkup)
    yield clock_finding(checkup.ahead)
    yield from _fence(checkup)


def _reached(where: str, checkup: Checkup) -> Finding:
    version = ".".join(str(part) for part in checkup.version)
    major = checkup.version[0] if checkup.version else _OLDEST
    if checkup.server == "PostgreSQL" and isinstance(major, int) and major < _OLDEST:
        return Finding.error(
            _PART, f"{where} is PostgreSQL {version}", f"upgrade it: {_OLDEST} is the oldest version that is supported"
        )
    return Finding.ok(_PART, f"{where} answers; {checkup.server} {version}")


def _schema(checkup: Checkup) -> Finding:
    if checkup.schema is None:
        return Finding.ok(_PART, "its tables match this version")
    problem, _, remedy = checkup.schema.rpartition(": ")
    return Finding.error(_PART, problem or checkup.schema, remedy or "run `comporta migrate`")


def _rights(checkup: Checkup) -> Finding:
    if checkup.busy is not None:
        return Finding.error(
            _PART,
            f"nothing can be written: {checkup.busy}",
            "end the program that has locked the file, or give this user write access to file and folder",
        )
    if checkup.lacking:
        return Finding.error(
            _PART,
            f"this user lacks the permissions {', '.join(checkup.lacking)}",
            "let their owner grant SELECT, INSERT, UPDATE and DELETE on all tables, or migrate as this user",
        )
    return Finding.ok(_PART, "this user may read and write all tables")


def _limits(checkup: Checkup) -> Iterator[Finding]:
    if checkup.read_only and (fault := server_fault(READ_ONLY)):
        yield Finding.error(_PART, fault.sentence, fault.way_out)
    if checkup.room is not None and checkup.room < MOST_CONNECTIONS:
        yield Finding.warning(
            _PART,
            f"it takes {max(0, checkup.room)} more connections of this user, and a process opens up to "
            f"{MOST_CONNECTIONS}",
            "raise max_connections or the role's CONNECTION LIMIT, or end other connections",
        )
    if 0 < checkup.statement_ms < STATEMENT_MS:
        yield Finding.warning(
            _PART,
            f"a statement may take {checkup.statement_ms / 1000:g} s only: longer ones are cancelled and tried again",
            f"give this user a statement_timeout of {STATEMENT_MS // 1000} s",
        )


def _pooler(checkup: Checkup) -> Iterator[Finding]:
    if checkup.unlimited:
        settings = ", ".join(f"{name} = {value}" for name, value in LIMITS_MS.items())
        yield Finding.warning(
            _PART,
            "a pooler stands before it and drops the time limits; transactions set them, reads outside have none",
            f"give them to the database user, one `ALTER ROLE … SET` each (in milliseconds): {settings}",
        )
    elif checkup.pooled:
        yield Finding.ok(_PART, "a pooler stands before it; the database user has time limits of its own")


def _standbys(checkup: Checkup) -> Iterator[Finding]:
    if checkup.waited_for:
        yield Finding.ok(_PART, "each commit waits for a standby: what was answered survives a failover to it")
    elif checkup.standbys:
        yield Finding.warning(
            _PART,
            "a standby streams asynchronously: a pause that was answered could be lost in a failover to it",
            "name it in synchronous_standby_names, and leave synchronous_commit on",
        )


def clock_finding(ahead: float) -> Finding:
    """Return the finding on a database clock that is `ahead` seconds ahead of this machine's."""
    difference = f"its clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    remedy = "have both machines take the time from the same source (NTP): pauses end by the database's clock"
    if abs(ahead) >= _BIG_SKEW:
        return Finding.error(_PART, difference, remedy)
    return Finding.warning(_PART, difference, remedy) if abs(ahead) >= _SKEW else Finding.ok(_PART, difference)


def _fence(checkup: Checkup) -> Iterator[Finding]:
    # Comporta's own processes may use another role than this one.
    foreign = [
        holder for holder in checkup.holders if holder.role != checkup.role and holder.application != APPLICATION
    ]
    for holder in foreign:
        yield Finding.error(
            _PART,
            f"connection {holder.pid} ({holder.application}) of the database role {holder.role} holds the fence, and "
            "with it every batch and switch",
            foreign_way_out(holder),
        )
    long = [holder for holder in checkup.holders if (holder.seconds or 0.0) >= _LONG and holder not in foreign]
    for holder in long:
        yield Finding.warning(
            _PART,
            f"connection {holder.pid} ({holder.application}, {holder.state}) has been inside the fence for "
            f"{holder.seconds:.0f} s",
            "it ends by itself after 5 s without a statement; a switch that waits for it ends it after 6 s",
        )
    if not long and not foreign:
        yield Finding.ok(_PART, "no transaction hangs inside the fence")
