"""`comporta compare`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import orjson
import typer
from rich.progress import BarColumn, Progress, TextColumn

from comporta.cli.options import Why, Yes, audit_context, check_domain, confirm
from comporta.cli.output import AsJson, console, errors, fail, print_json, warn
from comporta.cli.publish import File, Rejects, RejectsFile, check_scope, checker
from comporta.cli.scope import opened
from comporta.runtime.settings import load_settings
from producers.bulk import REFUSED, LinesUnreadable, Source
from schemas.canonical import canonical_json
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent

if TYPE_CHECKING:
    from control.comparison import Comparison
    from rules.comparison import Difference
    from storage.missed_differences import Filed
    from storage.spool import Spool, Spooled

__all__ = ["compare"]

_BATCH = 1_000
_NEWER = "newer_here"
_KINDS = ("differs", "only_here", "only_there")

Shop = Annotated[str, typer.Option(help="The shop.")]
Domain = Annotated[str, typer.Option(help="The domain.")]
Missed = Annotated[
    bool, typer.Option("--missed", help="File the keys that differ as missed, so that a resync asks for them.")
]
Out = Annotated[Path | None, typer.Option("--out", help="File for the differences, one JSON object per line.")]


def compare(
    file: File,
    shop: Shop,
    domain: Domain,
    out: Out = None,
    rejects: RejectsFile = None,
    missed: Missed = False,
    why: Why = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Compare the shop's table with all entities of the ERP, one event a line as for publish; exit 1 if not equal.

    Of several events of one key the newest counts. Nothing is published; only --missed changes anything.
    """
    check_scope(shop, None)
    check_domain("--domain: ", domain, tuple(DOMAINS))
    context = audit_context(why)
    # Loaded here: the tables are slow to load, and most commands don't need them.
    from control.comparison import Comparison, file_differences
    from storage.spool import Spool

    filed: Filed | None = None
    with opened(load_settings(), shop, domain) as (database, rows), Spool() as spool:
        counts: Counter[str] = Counter()
        fields: Counter[str] = Counter()
        try:
            with Source(file) as source, Rejects(rejects, source=file) as rejected:
                _read(source, rejected, spool, (shop, domain), rows.by_time, counts)
        except LinesUnreadable as error:
            raise fail(str(error)) from None
        comparison = Comparison(rows, spool)
        with _report(out) as report:
            for difference in _with_progress(comparison):
                _count(difference, counts, fields)
                report(difference)
                if missed and difference.missed is not None:
                    spool.remember(difference.missed)
        if not as_json:
            _show(comparison, counts, fields)
        if missed and spool.remembered:
            confirm(f"File {spool.remembered:,} keys of {shop}/{domain} as missed?", yes=yes)
            filed = file_differences(database, shop, domain, spool, context, Path(file).name)
    if as_json:
        print_json(_document(comparison, counts, fields, filed))
    elif filed is not None:
        _show_filed(filed, shop, domain)
    raise typer.Exit(1 if counts[REFUSED] or comparison.equal < comparison.compared else 0)


def _read(
    source: Source,
    rejected: Rejects,
    spool: Spool,
    scope: tuple[str, str],
    by_time: bool | None,
    counts: Counter[str],
) -> None:
    entities = _entities(source, rejected, scope, by_time, counts)
    with _progress("reading") as (progress, task):
        progress.update(task, total=source.size)
        while batch := list(islice(entities, _BATCH)):
            spool.add(batch)
            progress.update(task, completed=source.position, lines=counts["read"])


def _entities(
    source: Source, rejected: Rejects, scope: tuple[str, str], by_time: bool | None, counts: Counter[str]
) -> Iterator[Spooled]:
    from rules.comparison import There
    from rules.versions import kind_refusal
    from storage.entities import key_text
    from storage.spool import Spooled

    shop, domain = scope
    check = checker(shop, domain)
    for line in source.lines():
        counts["read"] += 1
        checked = check(line)
        event, refusal = checked.item, checked.refusal
        if isinstance(event, ChangeEvent) and by_time is not None and event.by_time is not by_time:
            refusal = kind_refusal(by_time=by_time)
        if refusal is not None:
            counts[REFUSED] += 1
            rejected.add(line, refusal)
            continue
        assert isinstance(event, ChangeEvent)
        content = None if event.deleted else canonical_json(domain, event.data.__dict__)
        yield Spooled(key_text(domain, event.key), There((event.version, event.event_id), content))


def _with_progress(comparison: Comparison) -> Iterator[Difference]:
    with _progress("comparing") as (progress, task):
        for number, difference in enumerate(comparison.differences()):
            if number % _BATCH == 0:
                progress.update(task, lines=comparison.compared)
            if difference is not None:
                yield difference


def _count(difference: Difference, counts: Counter[str], fields: Counter[str]) -> None:
    counts[difference.kind] += 1
    counts[_NEWER] += difference.newer == "here"
    fields.update(difference.fields.keys())


@contextmanager
def _progress(what: str) -> Iterator[tuple[Progress, Any]]:
    columns = (TextColumn(what), BarColumn(), TextColumn("{task.fields[lines]:,} lines"))
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as progress:
        yield progress, progress.add_task("", total=None, lines=0)


@contextmanager
def _report(path: Path | None) -> Iterator[Any]:
    """Open the file of differences; yield what writes one."""
    try:
        with nullcontext() if path is None else path.open("wb") as file:
            yield lambda difference: _write(file, difference)
    except OSError as error:
        raise fail(f"--out: {path} can't be written: {error.strerror}") from None


def _write(file: BinaryIO | None, difference: Difference) -> None:
    if file is not None:
        file.write(orjson.dumps(difference.as_json(), option=orjson.OPT_APPEND_NEWLINE))


def _show(comparison: Comparison, counts: Counter[str], fields: Counter[str]) -> None:
    parts = [f"{comparison.equal:,} equal", *(f"{counts[kind]:,} {kind.replace('_', ' ')}" for kind in _KINDS)]
    console.print(f"compared {comparison.compared:,} = {' + '.join(parts)}", highlight=False)
    if fields:
        named = ", ".join(f"{name} {count:,}" for name, count in fields.most_common())
        console.print(f"fields that differ: {named}", markup=False, highlight=False)
    if counts[_NEWER]:
        console.print(f"{counts[_NEWER]:,} of these are newer here than in the file", highlight=False)
    if counts[REFUSED]:
        warn(f"{counts[REFUSED]:,} of {counts['read']:,} lines were refused: their keys are compared as if left out")


def _show_filed(filed: Filed, shop: str, domain: str) -> None:
    console.print(
        f"{filed.filed:,} keys filed as missed; ask for them with "
        f"comporta missed resync --shop {shop} --domain {domain}",
        markup=False,
    )
    if filed.changed:
        console.print(f"{filed.changed:,} keys have changed meanwhile and were not filed", highlight=False)


def _document(
    comparison: Comparison, counts: Counter[str], fields: Counter[str], filed: Filed | None
) -> dict[str, Any]:
    return {
        "read": counts["read"],
        "refused": counts[REFUSED],
        "compared": comparison.compared,
        "equal": comparison.equal,
        **{kind: counts[kind] for kind in _KINDS},
        _NEWER: counts[_NEWER],
        "fields": dict(fields.most_common()),
        "filed": None if filed is None else filed.filed,
        "changed_meanwhile": None if filed is None else filed.changed,
    }
