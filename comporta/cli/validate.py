"""`comporta validate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Annotated

import typer

from comporta.cli.output import AsJson, console, fail, print_json, warn
from comporta.cli.publish import Domain, File, Rejects, RejectsFile, Shop, Skip, check_scope, checker
from comporta.runtime.settings import Settings, load_settings
from producers.bulk import REFUSED, LinesUnreadable, NumberedLine, Source
from rules.outcomes import Outcome
from rules.switches import Scope
from rules.versions import CONTENT_CHANGED, content_hash
from schemas.events import ChangeEvent
from schemas.reasons import Refusal
from storage.errors import StorageError

__all__ = ["validate"]

_BATCH_SIZE = 500
_ACCEPTED = "accepted"

# The outcome of each event, or the refusal that only the database's state causes.
PredictOutcomes = Callable[[Sequence[ChangeEvent]], list[str | Refusal]]


def validate(
    file: File,
    shop: Shop = "main",
    domain: Domain = None,
    rejects: RejectsFile = None,
    skip: Skip = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Only check the events, without the database.")] = False,
    as_json: AsJson = False,
) -> None:
    """Predict the outcome of each event of a file, and publish nothing; exit 1 if any would be refused."""
    check_scope(shop, domain)
    predict_outcomes = _accept_all if offline else _outcome_predictor(load_settings())
    counts: Counter[str] = Counter()
    check = checker(shop, domain)
    try:
        with Source(file) as source, Rejects(rejects, source=file, append=skip > 0) as rejected:
            for lines in _batches(source.lines(skip)):
                events, read = [], []
                for line, checked in zip(lines, map(check, lines), strict=True):
                    if checked.refusal is not None:
                        rejected.add(line, checked.refusal)
                        counts[REFUSED] += 1
                    elif isinstance(checked.item, ChangeEvent):
                        events.append(checked.item)
                        read.append(line)
                for line, outcome in zip(read, predict_outcomes(events), strict=True):
                    if isinstance(outcome, Refusal):
                        rejected.add(line, outcome)
                    counts[REFUSED if isinstance(outcome, Refusal) else outcome] += 1
    except LinesUnreadable as error:
        raise fail(str(error)) from None
    _show(counts, as_json)
    raise typer.Exit(1 if counts[REFUSED] else 0)


def _batches(lines: Iterator[NumberedLine]) -> Iterator[list[NumberedLine]]:
    while batch := list(islice(lines, _BATCH_SIZE)):
        yield batch


def _accept_all(events: Sequence[ChangeEvent]) -> list[str | Refusal]:
    return [_ACCEPTED] * len(events)


def _outcome_predictor(settings: Settings) -> PredictOutcomes:
    """Return a prediction by the database of the settings; without a database, events are only checked."""
    from storage.database import open_database

    database = open_database(settings.database_url, clock_ahead=timedelta(seconds=settings.clock_ahead))
    try:
        if not database.is_there:
            raise StorageError("it does not exist yet")
        database.require_current()
    except StorageError as error:
        warn(f"the database can't be used ({error}): the events are only checked, as with --offline")
        return _accept_all
    # The database does not have the earlier events of the same file: their feeds' kinds, and the newest of each key.
    decided: dict[Scope, bool] = {}
    newest: dict[tuple[str, str, tuple[object, ...]], tuple[tuple[int, str], int]] = {}

    def predict_outcomes(events: Sequence[ChangeEvent]) -> list[str | Refusal]:
        outcomes: list[str | Refusal] = []
        for event, (outcome, refusal) in zip(events, database.foresight.predict(events, decided), strict=True):
            if outcome is Outcome.APPLIED:
                key, stamp, content = (event.domain, event.shop, event.key), _stamp(event), content_hash(event)
                before, known_content = newest.get(key, (None, content))
                if before == stamp and known_content != content:
                    outcomes.append(CONTENT_CHANGED)
                    continue
                outcome = Outcome.APPLIED if before is None or before < stamp else Outcome.SUPERSEDED
                if outcome is Outcome.APPLIED:
                    newest[key] = stamp, content
            outcomes.append(refusal or outcome.value)
        return outcomes

    return predict_outcomes


def _stamp(event: ChangeEvent) -> tuple[int, str]:
    return event.version, event.event_id


def _show(counts: Counter[str], as_json: bool) -> None:
    if as_json:
        print_json({"read": counts.total(), **counts})
        return
    parts = " + ".join(f"{count:,} {name}" for name, count in sorted(counts.items()) if count)
    console.print(f"read {counts.total():,}{' = ' if parts else ''}{parts}; nothing was published", highlight=False)
