"""`comporta validate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Annotated

import typer

from comporta.cli.output import AsJson, console, fail, print_json, warn
from comporta.cli.publish import Domain, File, Rejects, RejectsFile, Shop, Skip, check_scope, checker
from comporta.runtime.settings import Settings, load_settings
from producers.bulk import REFUSED, LinesUnreadable, NumberedLine, Source
from rules.outcomes import Outcome
from schemas.events import ChangeEvent
from schemas.orders import ORDER_CHANGED, ReceivedOrder
from schemas.reasons import Refusal
from storage.errors import StorageError

__all__ = ["validate"]

_BATCH_SIZE = 500
_ACCEPTED = "accepted"

PredictOutcomes = Callable[[Sequence[ChangeEvent | ReceivedOrder]], list[Outcome | str]]


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
                valid: list[tuple[NumberedLine, ChangeEvent | ReceivedOrder]] = []
                refused: list[tuple[NumberedLine, Refusal]] = []
                for line, checked in zip(lines, map(check, lines), strict=True):
                    if checked.refusal is not None:
                        refused.append((line, checked.refusal))
                    elif isinstance(checked.item, ChangeEvent | ReceivedOrder):
                        valid.append((line, checked.item))
                for (line, _), outcome in zip(valid, predict_outcomes([item for _, item in valid]), strict=True):
                    if outcome == Outcome.QUARANTINED:
                        refused.append((line, ORDER_CHANGED))
                    else:
                        counts[str(outcome)] += 1
                for line, refusal in sorted(refused, key=lambda each: each[0].number):
                    rejected.add(line, refusal)
                    counts[REFUSED] += 1
    except LinesUnreadable as error:
        raise fail(str(error)) from None
    _show(counts, as_json)
    raise typer.Exit(1 if counts[REFUSED] else 0)


def _batches(lines: Iterator[NumberedLine]) -> Iterator[list[NumberedLine]]:
    while batch := list(islice(lines, _BATCH_SIZE)):
        yield batch


def _accept_all(events: Sequence[ChangeEvent | ReceivedOrder]) -> list[Outcome | str]:
    return [_ACCEPTED] * len(events)


def _outcome_predictor(settings: Settings) -> PredictOutcomes:
    """Return a prediction by the database of the settings; without a database, events are only checked."""
    from storage.database import open_database

    database = open_database(settings.database_url)
    try:
        if not database.is_there:
            raise StorageError("it does not exist yet")
        database.require_current()
    except StorageError as error:
        warn(f"the database can't be used ({error}): the events are only checked, as with --offline")
        return _accept_all
    earlier = _EarlierLines()

    def predict_outcomes(events: Sequence[ChangeEvent | ReceivedOrder]) -> list[Outcome | str]:
        outcomes = database.foresight.outcomes(events)
        return [earlier.outcome(event, outcome) for event, outcome in zip(events, outcomes, strict=True)]

    return predict_outcomes


class _EarlierLines:
    """Events and orders of the earlier lines of a file, which the database does not have."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str, tuple[object, ...]], tuple[int, str]] = {}
        self._digests: dict[tuple[str, str], str] = {}

    def outcome(self, item: ChangeEvent | ReceivedOrder, outcome: Outcome) -> Outcome:
        """Return the outcome of an item after the earlier lines; `outcome` is the one by the database alone."""
        if outcome is not Outcome.APPLIED:
            return outcome
        if isinstance(item, ReceivedOrder):
            return self._of_order(item)
        key, version = (item.domain, item.shop, item.key), (item.version, item.event_id)
        outcome = Outcome.APPLIED if self._newest.get(key, (-1, "")) < version else Outcome.SUPERSEDED
        self._newest[key] = max(version, self._newest.get(key, version))
        return outcome

    def _of_order(self, order: ReceivedOrder) -> Outcome:
        key = (order.shop, order.order_id)
        if key not in self._digests:
            self._digests[key] = order.digest
            return Outcome.APPLIED
        return Outcome.SUPERSEDED if self._digests[key] == order.digest else Outcome.QUARANTINED


def _show(counts: Counter[str], as_json: bool) -> None:
    if as_json:
        print_json({"read": counts.total(), **counts})
        return
    parts = " + ".join(f"{count:,} {name}" for name, count in sorted(counts.items()) if count)
    console.print(f"read {counts.total():,}{' = ' if parts else ''}{parts}; nothing was published", highlight=False)
