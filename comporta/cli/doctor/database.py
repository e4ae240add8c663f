"""The database: can it be reached, has it our tables, may we write, does its clock agree, does anything hang in it."""

from __future__ import annotations

from collections.abc import Iterator

from comporta.cli.doctor.finding import Finding
from comporta.runtime.settings import PREFIX, Settings
from storage.database import open_database
from storage.diagnostics import Checkup
from storage.engine import masked
from storage.errors import StorageError

__all__ = ["clock_finding", "database_findings"]

_PART = "database"
_OLDEST = 15
# `until` and stale messages are judged by the database's clock, and people read theirs.
_SKEW, _BIG_SKEW = 1.0, 5.0
# A batch takes milliseconds; what is inside the fence for so long holds up every switch.
_LONG = 2.0


def database_findings(settings: Settings) -> Iterator[Finding]:
    """What there is to say; only one line if it can't be reached."""
    database = open_database(settings.database_url)
    where = masked(settings.database_url)
    if not database.is_there:
        yield Finding.warning(_PART, f"{where} does not exist yet", "`comporta run` or `comporta migrate` makes it")
        return
    try:
        found = database.check_up()
    except StorageError as error:
        yield Finding.error(_PART, f"{where}: {error}", f"start it, or check {PREFIX}DATABASE_URL")
        return
    finally:
        database.close()
    yield _reached(where, found)
    yield _schema(found)
    yield _rights(found)
    if database.is_sqlite:
        return
    yield clock_finding(found.ahead)
    yield from _fence(found)


def _reached(where: str, found: Checkup) -> Finding:
    version = ".".join(str(part) for part in found.version)
    major = found.version[0] if found.version else _OLDEST
    if found.server == "PostgreSQL" and isinstance(major, int) and major < _OLDEST:
        return Finding.error(
            _PART, f"{where} is PostgreSQL {version}", f"upgrade it: {_OLDEST} is the oldest that is supported"
        )
    return Finding.ok(_PART, f"{where} answers; {found.server} {version}")


def _schema(found: Checkup) -> Finding:
    if found.schema is None:
        return Finding.ok(_PART, "its tables are those of this version")
    problem, _, way_out = found.schema.rpartition(": ")
    return Finding.error(_PART, problem or found.schema, way_out or "run `comporta migrate`")


def _rights(found: Checkup) -> Finding:
    if found.busy is not None:
        return Finding.error(
            _PART,
            f"nothing can be written: {found.busy}",
            "end the program that holds the file, or see that this user may write file and folder",
        )
    if found.lacking:
        return Finding.error(
            _PART,
            f"this user lacks {', '.join(found.lacking)}",
            "let their owner grant SELECT, INSERT, UPDATE and DELETE on all tables, or migrate as this user",
        )
    return Finding.ok(_PART, "this user may read and write all tables")


def clock_finding(ahead: float) -> Finding:
    """What a database's clock is worth that is `ahead` seconds ahead of ours."""
    said = f"its clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    way_out = "have both machines take the time from the same source (NTP): pauses end by the database's clock"
    if abs(ahead) >= _BIG_SKEW:
        return Finding.error(_PART, said, way_out)
    return Finding.warning(_PART, said, way_out) if abs(ahead) >= _SKEW else Finding.ok(_PART, said)


def _fence(found: Checkup) -> Iterator[Finding]:
    long = [holder for holder in found.holders if (holder.seconds or 0.0) >= _LONG]
    for holder in long:
        yield Finding.warning(
            _PART,
            f"connection {holder.pid} ({holder.application}, {holder.state}) has been inside the fence for "
            f"{holder.seconds:.0f} s",
            "it ends by itself after 5 s without a statement; a switch that waits for it ends it after 6 s",
        )
    if not long:
        yield Finding.ok(_PART, "nothing hangs inside the fence")
