"""`comporta validate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Annotated

import typer

from comporta.cli.event_warnings import LineWarnings
from comporta.cli.output import AsJson, console, fail, print_json, warn
from comporta.cli.publish import Domain, File, Rejects, RejectsFile, Shop, Skip, check_scope, checker
from comporta.runtime.settings import Settings, load_settings
from producers.bulk import REFUSED, LinesUnreadable, NumberedLine, Source
from producers.events import far_superseded
from rules.outcomes import Outcome
from rules.switches import Scope
from rules.versions import CONTENT_CHANGED, content_hash
from schemas.events import ChangeEvent
from schemas.order_news import Cancellation
from schemas.orders import ORDER_CHANGED, ReceivedOrder
from schemas.reasons import Refusal
from schemas.warnings import EventWarning
from storage.errors import StorageError

__all__ = ["validate"]

_BATCH_SIZE = 500
_ACCEPTED = "accepted"

_FromShop = ReceivedOrder | Cancellation
_Item = ChangeEvent | _FromShop
# Of each event its outcome, or the refusal that only the database's state causes, and the warnings that take the
# database.
_Predicted = tuple[str | Refusal, list[EventWarning]]
PredictOutcomes = Callable[[Sequence[_Item]], list[_Predicted]]


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

    Orders (shop.order.placed.v1) and cancellations (shop.order.cancelled.v1) are checked too. Warnings name what is
    taken, but perhaps not meant.
    """
    check_scope(shop, domain)
    counts: Counter[str] = Counter()
    warnings = LineWarnings()
    earlier = _EarlierLines()
    predict_outcomes = _accept_all if offline else _outcome_predictor(load_settings(), earlier)
    check = checker(shop, domain)
    try:
        with Source(file) as source, Rejects(rejects, source=file, append=skip > 0) as rejected:
            for lines in _batches(source.lines(skip)):
                valid: list[tuple[NumberedLine, _Item]] = []
                refused: list[tuple[NumberedLine, Refusal]] = []
                for line, checked in zip(lines, map(check, lines), strict=True):
                    warnings.add(line, checked.warnings)
                    if checked.refusal is not None:
                        refused.append((line, checked.refusal))
                    elif isinstance(checked.item, ChangeEvent | _FromShop):
                        valid.append((line, checked.item))
                for (line, _), (outcome, more) in zip(
                    valid, predict_outcomes([item for _, item in valid]), strict=True
                ):
                    warnings.add(line, more)
                    if isinstance(outcome, Refusal):
                        refused.append((line, outcome))
                    else:
                        counts[outcome] += 1
                for line, refusal in sorted(refused, key=lambda each: each[0].number):
                    rejected.add(line, refusal)
                    counts[REFUSED] += 1
    except LinesUnreadable as error:
        raise fail(str(error)) from None
    _show(counts, earlier.overtaken, warnings, rejected, as_json)
    raise typer.Exit(1 if counts[REFUSED] else 0)


def _batches(lines: Iterator[NumberedLine]) -> Iterator[list[NumberedLine]]:
    while batch := list(islice(lines, _BATCH_SIZE)):
        yield batch


def _accept_all(items: Sequence[_Item]) -> list[_Predicted]:
    return [(_ACCEPTED, []) for _ in items]


def _outcome_predictor(settings: Settings, earlier: _EarlierLines) -> PredictOutcomes:
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
    decided: dict[Scope, bool] = {}

    def predict_outcomes(items: Sequence[_Item]) -> list[_Predicted]:
        predicted = database.dry_run.predict(items, decided)
        warnings = far_superseded(items, [outcome for outcome, _ in predicted], database.dry_run.stored_versions)
        newer = _newer_than_rows(items, [outcome for outcome, _ in predicted], database.dry_run.stored_versions)
        return [
            (refusal or earlier.outcome(item, Outcome.APPLIED if position in newer else outcome), more)
            for position, (item, (outcome, refusal), more) in enumerate(zip(items, predicted, warnings, strict=True))
        ]

    return predict_outcomes


def _newer_than_rows(
    items: Sequence[_Item], outcomes: Sequence[Outcome], stored: Callable[[Sequence[ChangeEvent]], list[int | None]]
) -> set[int]:
    """Return the positions of events that only a newer one among `items` supersedes: in another batch they count."""
    newest: dict[tuple[str, str, tuple[object, ...]], tuple[int, str]] = {}
    for item in items:
        if isinstance(item, ChangeEvent):
            key = (item.domain, item.shop, item.key)
            newest[key] = max(newest.get(key, (item.version, item.event_id)), (item.version, item.event_id))
    older = {
        position: item
        for position, (item, outcome) in enumerate(zip(items, outcomes, strict=True))
        if outcome is Outcome.SUPERSEDED
        and isinstance(item, ChangeEvent)
        and (item.version, item.event_id) < newest[item.domain, item.shop, item.key]
    }
    if not older:
        return set()
    return {position for position, version in zip(older, stored([*older.values()]), strict=True) if version is None}


class _EarlierLines:
    """Events and orders of the earlier lines of a file, which the database does not have.

    The kinds of their feeds' versions are kept by the dry run. `overtaken` counts the events that are predicted to be
    applied and have a newer one of their key in a later line: of those that come into one batch the newest is written,
    and the others are counted as superseded. Which ones do, only the workers' batches decide.
    """

    def __init__(self) -> None:
        self.overtaken = 0
        self._newest: dict[tuple[str, str, tuple[object, ...]], tuple[tuple[int, str], int]] = {}
        self._digests: dict[tuple[str, str], str] = {}
        self._cancelled: set[tuple[str, str]] = set()

    def outcome(self, item: _Item, outcome: Outcome) -> str | Refusal:
        """Return the outcome of an item after the earlier lines; `outcome` is the one by the database alone."""
        if outcome is not Outcome.APPLIED:
            return outcome.value
        if isinstance(item, ChangeEvent):
            return self._of_event(item)
        return self._of_order(item) if isinstance(item, ReceivedOrder) else self._of_cancellation(item)

    def _of_event(self, event: ChangeEvent) -> str | Refusal:
        key, stamp = (event.domain, event.shop, event.key), (event.version, event.event_id)
        content = content_hash(event)
        before, known_content = self._newest.get(key, (None, content))
        if before == stamp and known_content != content:
            return CONTENT_CHANGED
        if before is not None:
            if before >= stamp:
                return Outcome.SUPERSEDED.value
            self.overtaken += 1
        self._newest[key] = stamp, content
        return Outcome.APPLIED.value

    def _of_order(self, order: ReceivedOrder) -> str | Refusal:
        key = (order.shop, order.order_id)
        if key not in self._digests:
            self._digests[key] = order.digest
            return Outcome.APPLIED.value
        return Outcome.SUPERSEDED.value if self._digests[key] == order.digest else ORDER_CHANGED

    def _of_cancellation(self, wish: Cancellation) -> str:
        key = (wish.shop, wish.order_id)
        outcome = Outcome.SUPERSEDED if key in self._cancelled else Outcome.APPLIED
        self._cancelled.add(key)
        return outcome.value


def _show(counts: Counter[str], overtaken: int, warnings: LineWarnings, rejected: Rejects, as_json: bool) -> None:
    if as_json:
        unsure = {"applied_or_superseded": overtaken} if overtaken else {}
        print_json({"read": counts.total(), **counts, **unsure, **rejected.as_json(), **warnings.as_json()})
        return
    warnings.summary()
    parts = " + ".join(f"{count:,} {name}" for name, count in sorted(counts.items()) if count)
    console.print(f"read {counts.total():,}{' = ' if parts else ''}{parts}; nothing was published", highlight=False)
    if overtaken:
        console.print(
            f"of the applied, up to {overtaken:,} may be counted as superseded: a later line has a newer version of "
            "the same key, and of those in one batch only the newest is written",
            highlight=False,
        )
