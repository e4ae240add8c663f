"""`comporta publish`."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Self, TextIO

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from uuid_utils import uuid7

from comporta.cli.credentials import client_credentials
from comporta.cli.event_warnings import LineWarnings, with_warnings
from comporta.cli.output import AsJson, console, errors, fail, print_json, warn
from comporta.cli.publish_load import PublishedLoad, WantedLoad, publish_load
from comporta.runtime.logs import configure_logs
from comporta.runtime.settings import Settings, load_settings
from comporta.runtime.threads import stop_on_signals
from producers.bulk import REFUSED, Feed, LinesUnreadable, NumberedLine, Publishes, Source
from producers.events import CheckedEvent, outgoing_raw, outgoing_text
from producers.messages import Fate
from schemas.domains import DOMAIN_NAMES
from schemas.events import MAX_BODY, SHOP
from schemas.reasons import Reason, Refusal, Refused

__all__ = [
    "Domain",
    "File",
    "Rejects",
    "RejectsFile",
    "Shop",
    "Skip",
    "check_scope",
    "checker",
    "publish",
]
_SHOW_EVERY = 200
# Members of a line of `--rejects`, which no event has all of.
_REJECT = frozenset({"line", "reason", "pointer", "sentence", "doc", "text"})
_REJECT_BEGINS = b'{"line"'
File = Annotated[str, typer.Argument(help="Events, one JSON object per line (.gz and .xz too); - is standard input.")]
Shop = Annotated[str, typer.Option(help="The shop that the events are for.")]
Domain = Annotated[str | None, typer.Option(help="The domain of all events; by default that of each event's type.")]
RejectsFile = Annotated[
    Path | None,
    typer.Option("--rejects", help="File for the refused lines, each with its reason; with --skip it is appended to."),
]
Skip = Annotated[int, typer.Option(help="Number of lines to skip, to continue an earlier run.", min=0)]
_MAX_PRINTED = 10


def publish(
    file: File,
    shop: Shop = "main",
    domain: Domain = None,
    raw: Annotated[bool, typer.Option("--raw", help="Publish each line as it is, unchecked.")] = False,
    rejects: RejectsFile = None,
    skip: Skip = 0,
    deadline: Annotated[
        float, typer.Option(help="Seconds to wait for the broker to confirm a message.", min=0.1, max=3600)
    ] = 30.0,
    full_load: Annotated[
        bool,
        typer.Option("--full-load", help="The file is all that the ERP has of --domain: delete what it does not name."),
    ] = False,
    load_id: Annotated[str | None, typer.Option(help="With --full-load: its id; by default a new one.")] = None,
    version: Annotated[
        int | None,
        typer.Option(
            help="With --full-load: the ERP's counter before it read the file; by default the file's highest.", min=0
        ),
    ] = None,
    chunk_rows: Annotated[
        int, typer.Option(help="With --full-load: rows of a chunk, if the file is sorted by key; 0: no chunks.", min=0)
    ] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Publish events or orders from a file; each is checked first, and confirmed by the broker."""
    check_scope(shop, domain)
    settings = load_settings()
    if full_load and (raw or skip or domain is None):
        raise typer.BadParameter("--full-load needs --domain, and the whole file checked: no --raw, no --skip")
    if not full_load and (load_id is not None or version is not None):
        raise typer.BadParameter("--load-id and --version belong to --full-load")
    if raw and settings.embedded:
        raise typer.BadParameter("--raw needs a broker: events sent over HTTP are always checked")
    configure_logs("ERROR", settings.log_format)
    try:
        if full_load and domain is not None:
            wanted = WantedLoad(shop, domain, load_id or str(uuid7()), version, chunk_rows)
            with Rejects(rejects, source=file) as rejected, _publisher(settings, shop, deadline) as publisher:
                feed, load = publish_load(wanted, file, publisher, rejected.add)
            _show_load(load, wanted, as_json=as_json)
            _show(feed, LineWarnings(), rejected, as_json, load=load._asdict())
            raise typer.Exit(0 if feed.complete else 1)
        with (
            Source(file) as source,
            Rejects(rejects, source=file, append=skip > 0) as rejected,
            _publisher(settings, shop, deadline) as publisher,
        ):
            warnings = LineWarnings()
            feed = Feed(with_warnings(checker(shop, domain, raw=raw), warnings), rejected.add)
            stop_on_signals(threading.Event(), feed.interrupt)
            _run(feed, publisher, source, skip)
    except LinesUnreadable as error:
        raise fail(str(error)) from None
    _show(feed, warnings, rejected, as_json)
    raise typer.Exit(0 if feed.complete else 1)


def check_scope(shop: str, domain: str | None) -> None:
    """Raise `BadParameter` unless both can be part of a routing key."""
    if not SHOP.fullmatch(shop):
        raise typer.BadParameter("--shop: the name of a shop has a-z, 0-9 and -, at most 63 characters")
    if domain is not None and domain not in DOMAIN_NAMES:
        raise typer.BadParameter(f"--domain: {domain}: no such domain; the domains are {', '.join(DOMAIN_NAMES)}")


def checker(shop: str, domain: str | None, *, raw: bool = False) -> Callable[[NumberedLine], CheckedEvent]:
    """Return the check of a line: of the whole event or, with `raw`, of its size and routing key only."""

    def check(line: NumberedLine) -> CheckedEvent:
        if line.size > MAX_BODY + 1:
            return CheckedEvent(None, None, Refusal(Reason.TOO_LARGE, "", f"the line has more than {MAX_BODY} bytes"))
        text = _event_text(line.text)
        if not raw:
            return outgoing_text(shop, text, domain)
        try:
            return CheckedEvent(None, outgoing_raw(shop, text, domain), None)
        except Refused as refused:
            return CheckedEvent(None, None, refused.refusal)

    return check


def _event_text(line: bytes) -> bytes:
    """Return the event of a line: the line itself or, if it is one of a file of `--rejects`, what stands in its text.

    So such a file can be mended, and published as it is.
    """
    if not line.startswith(_REJECT_BEGINS):
        return line
    try:
        reject = json.loads(line)
    except ValueError:
        return line
    if not isinstance(reject, dict) or reject.keys() != _REJECT or not isinstance(reject["text"], str):
        return line
    return reject["text"].encode(errors="surrogatepass")


@contextmanager
def _publisher(settings: Settings, shop: str, deadline: float) -> Iterator[Publishes]:
    # Loaded here: each publisher's library is loaded only where it is used.
    if settings.embedded:
        from producers.http_publisher import HttpPublisher

        credentials = client_credentials(settings)
        http_publisher = HttpPublisher(settings.admin_url, shop, credentials.headers, credentials.refused)
        yield http_publisher
        http_publisher.close()
        return
    from producers.publisher import Publisher

    with Publisher(settings.broker_url, name="publish", deadline=deadline) as publisher:
        yield publisher


def _run(feed: Feed, publisher: Publishes, source: Source, skip: int) -> None:
    columns = (BarColumn(), TextColumn("{task.fields[lines]:,} lines"), TextColumn("{task.fields[rate]:,.0f}/s"))
    with Progress(*columns, TimeRemainingColumn(), console=errors, disable=not errors.is_terminal) as progress:
        task = progress.add_task("", total=source.size, lines=0, rate=0.0)
        for number, _ in enumerate(feed.run(publisher, source.lines(skip))):
            if number % _SHOW_EVERY == 0:
                elapsed = progress.tasks[0].elapsed or 0
                rate = feed.read / elapsed if elapsed else 0.0
                progress.update(task, completed=source.position, lines=feed.read, rate=rate)


def _show_load(load: PublishedLoad, wanted: WantedLoad, *, as_json: bool) -> None:
    if as_json:
        return
    chunks = "no chunks" if load.chunks is None else f"chunks: {load.chunks:,}"
    name = f"full load {load.load_id} of {wanted.shop}/{wanted.domain}"
    console.print(f"{name}: version {load.version}, {load.keys:,} keys, {chunks}", markup=False)
    if load.refused:
        warn(f"{load.refused:,} lines are refused: their chunks delete nothing; `comporta loads show` names them")


def _show(feed: Feed, warnings: LineWarnings, rejected: Rejects, as_json: bool, **more: object) -> None:
    unconfirmed = feed.counts[Fate.NACKED] + feed.counts[Fate.UNKNOWN]
    counts = {
        "confirmed": feed.counts[Fate.CONFIRMED],
        "refused": feed.counts[REFUSED],
        "returned": feed.counts[Fate.RETURNED],
        **({"unconfirmed": unconfirmed} if unconfirmed or as_json else {}),
    }
    if as_json:
        found = {**rejected.as_json(), **warnings.as_json()}
        print_json({"read": feed.read, **counts, "skip_next_time": feed.skip_next_time, **found, **more})
    else:
        warnings.summary()
        parts = " + ".join(f"{count:,} {name}" for name, count in counts.items())
        console.print(f"read {feed.read:,} = {parts}", highlight=False)
    if feed.skip_next_time is not None and not more:
        warn(f"stopped at line {feed.last_line}; go on with --skip {feed.skip_next_time}")


class Rejects:
    """File of refused lines, one JSON object each: `line`, `reason`, `pointer`, `sentence`, `doc` and the `text`.

    `append` keeps the lines of an earlier run, for a run that continues it.
    """

    def __init__(self, path: Path | None, *, source: str, append: bool = False) -> None:
        self._path = path
        self._source = source
        self._append = append
        self._file: TextIO | None = None
        self.by_reason: Counter[str] = Counter()

    def __enter__(self) -> Self:
        if self._path is not None:
            self._check_not_source(self._path)
            try:
                # Buffered by line: a write error then appears at its line, while `add` can still report it.
                self._file = self._path.open("a" if self._append else "w", encoding="utf-8", buffering=1)
            except OSError as error:
                raise typer.BadParameter(f"--rejects: {self._path} can't be written: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        more = self.by_reason.total() - _MAX_PRINTED
        if more > 0:
            where = f"all are in {self._path}" if self._file is not None else "--rejects FILE keeps them all"
            warn(f"and {more} more; {where}")
            parts = ", ".join(f"{count:,} {reason}" for reason, count in self.by_reason.most_common())
            warn(f"refused by reason: {parts}; `comporta reason CODE` explains each")

    def add(self, line: NumberedLine, refusal: Refusal) -> None:
        """Write one line with its refusal; print the first 10 on standard error."""
        self.by_reason[refusal.reason.value] += 1
        if self.by_reason.total() <= _MAX_PRINTED:
            warn(f"line {line.number}: {refusal}")
        if self._file is not None:
            text = line.text.decode(errors="backslashreplace")
            self._write(self._file, json.dumps({"line": line.number, **refusal.as_json(), "text": text}) + "\n")

    def as_json(self) -> dict[str, Any]:
        """Return the member of the summary: the number of refused lines by reason; none without any."""
        return {"refused_by_reason": dict(self.by_reason.most_common())} if self.by_reason else {}

    def _write(self, file: TextIO, line: str) -> None:
        try:
            file.write(line)
        except OSError as error:
            # Publishing goes on: the other lines and the summary don't depend on this file.
            warn(f"--rejects: {self._path} can't be written ({error.strerror}): not all refused lines are in it")
            self._file = None

    def _check_not_source(self, path: Path) -> None:
        if path.exists() and Path(self._source).exists() and path.samefile(self._source):
            raise typer.BadParameter(f"--rejects: {path} is also the input; writing would empty it")
