"""`comporta validate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Annotated, NamedTuple

import typer

from comporta.cli.event_warnings import LineWarnings
from comporta.cli.output import AsJson, console, fail, print_json, warn
from comporta.cli.publish import Domain, File, Rejects, RejectsFile, Shop, Skip, check_scope, checker
from comporta.runtime.settings import Settings, load_settings
from producers.bulk import REFUSED, LinesUnreadable, NumberedLine, Source
from producers.events import CheckedEvent, far_superseded
from rules.outcomes import Outcome
from rules.switches import Scope
from rules.versions import CONTENT_CHANGED, content_hash
from rules.warnings import field_warnings
from schemas.events import ChangeEvent
from schemas.orders import PLACED, parse_order
from schemas.reasons import Reason, Refusal, Refused
from schemas.warnings import EventWarning
from storage.errors import StorageError

__all__ = ["validate"]

_BATCH_SIZE = 500
_ACCEPTED = "accepted"

# Of each event its outcome, or the refusal that only the database's state causes, and the warnings that take the
# database.
PredictOutcomes = Callable[[Sequence[ChangeEvent]], list[tuple[str | Refusal, list[EventWarning]]]]


def validate(
    file: File,
    shop: Shop = "main",
    domain: Domain = None,
    rejects: RejectsFile = None,
    skip: Skip = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Only check the events, without the database.")] = False,
    as_json: AsJson = False,
) -> None:
    """Predict the outcome of each event of a file, and publish nothing; exit 1 if any would be refused.

    Orders (shop.order.placed.v1) are checked too. Warnings name what is taken, but perhaps not meant.
    """
    check_scope(shop, domain)
    predict_outcomes = _accept_all if offline else _outcome_predictor(load_settings())
    counts: Counter[str] = Counter()
    warnings = LineWarnings()
    check = order_or_event(shop, checker(shop, domain))
    try:
        with Source(file) as source, Rejects(rejects, source=file, append=skip > 0) as rejected:
            for lines in _batches(source.lines(skip)):
                events: list[tuple[NumberedLine, ChangeEvent]] = []
                for line, checked in zip(lines, map(check, lines), strict=True):
                    warnings.add(line, checked.warnings)
                    if checked.refusal is not None:
                        rejected.add(line, checked.refusal)
                        counts[REFUSED] += 1
                    elif isinstance(checked, CheckedOrder):
                        counts[_ACCEPTED] += 1
                    elif isinstance(checked.item, ChangeEvent):
                        events.append((line, checked.item))
                for (line, _), (outcome, more) in zip(
                    events, predict_outcomes([event for _, event in events]), strict=True
                ):
                    warnings.add(line, more)
                    if isinstance(outcome, Refusal):
                        rejected.add(line, outcome)
                    counts[REFUSED if isinstance(outcome, Refusal) else outcome] += 1
    except LinesUnreadable as error:
        raise fail(str(error)) from None
    _show(counts, warnings, as_json)
    raise typer.Exit(1 if counts[REFUSED] else 0)


class CheckedOrder(NamedTuple):
    """Order as a worker would receive it: its warnings if it is valid, else the refusal."""

    warnings: list[EventWarning]
    refusal: Refusal | None


def order_or_event(
    shop: str, check: Callable[[NumberedLine], CheckedEvent]
) -> Callable[[NumberedLine], CheckedEvent | CheckedOrder]:
    """Return the check of a line with a change event, by `check`, or with an order."""

    def checked(line: NumberedLine) -> CheckedEvent | CheckedOrder:
        event = check(line)
        is_other = event.refusal is not None and event.refusal.reason is Reason.UNKNOWN_TYPE
        if not is_other or PLACED.encode() not in line.text:
            return event
        try:
            return CheckedOrder(list(field_warnings(parse_order(shop, line.text).unknown)), None)
        except Refused as refused:
            return CheckedOrder([], refused.refusal)

    return checked


def _batches(lines: Iterator[NumberedLine]) -> Iterator[list[NumberedLine]]:
    while batch := list(islice(lines, _BATCH_SIZE)):
        yield batch


def _accept_all(events: Sequence[ChangeEvent]) -> list[tuple[str | Refusal, list[EventWarning]]]:
    return [(_ACCEPTED, []) for _ in events]


def _outcome_predictor(settings: Settings) -> PredictOutcomes:
    """Return a prediction by the database of the settings; without a database, events are only checked."""
    from storage.database import open_database

    database = open_database(
        settings.database_url, clock_ahead=timedelta(seconds=settings.clock_ahead), shop_rules=settings.shop_rules
    )
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

    def predict_outcomes(events: Sequence[ChangeEvent]) -> list[tuple[str | Refusal, list[EventWarning]]]:
        predicted = database.foresight.predict(events, decided)
        warnings = far_superseded(events, [outcome for outcome, _ in predicted], database.foresight.stored_versions)
        predictions: list[tuple[str | Refusal, list[EventWarning]]] = []
        for event, (outcome, refusal), more in zip(events, predicted, warnings, strict=True):
            if outcome is Outcome.APPLIED:
                key, stamp, content = (event.domain, event.shop, event.key), _stamp(event), content_hash(event)
                before, known_content = newest.get(key, (None, content))
                if before == stamp and known_content != content:
                    predictions.append((CONTENT_CHANGED, more))
                    continue
                outcome = Outcome.APPLIED if before is None or before < stamp else Outcome.SUPERSEDED
                if outcome is Outcome.APPLIED:
                    newest[key] = stamp, content
            predictions.append((refusal or outcome.value, more))
        return predictions

    return predict_outcomes


def _stamp(event: ChangeEvent) -> tuple[int, str]:
    return event.version, event.event_id


def _show(counts: Counter[str], warnings: LineWarnings, as_json: bool) -> None:
    if as_json:
        print_json({"read": counts.total(), **counts, **warnings.as_json()})
        return
    warnings.summary()
    parts = " + ".join(f"{count:,} {name}" for name, count in sorted(counts.items()) if count)
    console.print(f"read {counts.total():,}{' = ' if parts else ''}{parts}; nothing was published", highlight=False)
