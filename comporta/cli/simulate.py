"""`comporta simulate`."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice, takewhile
from lzma import LZMAError
from typing import Annotated, Any, TypeVar

import typer
from rich.live import Live
from rich.text import Text

from broker.connection import open_connection, release
from broker.declare import declare
from comporta.cli.options import shop_id, shop_ids
from comporta.cli.output import AsJson, console, fail, print_json
from comporta.runtime.logs import configure_logs
from comporta.runtime.settings import load_settings
from comporta.runtime.threads import stop_on_signals
from comporta.simulator.erp import Faults, SimulatedErp
from comporta.simulator.nfe import SimulatorDataMissing
from comporta.simulator.shop import SimulatedShop
from comporta.simulator.sources import NFE, catalogue_from, orders_from
from comporta.simulator.traffic import traffic
from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from schemas.partitions import Partitions
from schemas.topology import ORDERS_OUT, orders_queue

__all__ = ["simulate", "simulate_erp"]

_LATE_SECONDS = 5
_REFRESHES_PER_SECOND = 4
Parsed = TypeVar("Parsed")


def simulate(
    rate: Annotated[float, typer.Option(help="Changes per second, after the initial load.", min=0.1)] = 200.0,
    orders: Annotated[
        float, typer.Option(help="Orders per second that the shop places among the changes.", min=0)
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed and options give the same messages.")] = 1,
    shop: Annotated[str, typer.Option(help="The shop of the ERP.", callback=shop_id)] = "main",
    source: Annotated[
        str, typer.Option(help="nfe (sample invoices), or a .csv or .csv.xz file of UCI Online Retail.")
    ] = NFE,
    seconds: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=0.1)] = None,
    count: Annotated[int | None, typer.Option(help="Stop after this many messages.", min=1)] = None,
    duplicates: Annotated[float, typer.Option(help="Share of steps that repeat a message.", min=0, max=1)] = 0.01,
    reordered: Annotated[float, typer.Option(help="… that swap two changes.", min=0, max=1)] = 0.01,
    late: Annotated[float, typer.Option(help="… whose change arrives seconds after a newer one.", min=0, max=1)] = 0.01,
    bad: Annotated[float, typer.Option(help="… that send an invalid message.", min=0, max=1)] = 0.002,
    deletes: Annotated[float, typer.Option(help="… that delete an entity.", min=0, max=1)] = 0.005,
    first_sequence: Annotated[
        int, typer.Option(help="Sequence of the first event; above those of earlier runs, or it is superseded.", min=1)
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Publish the events of a simulated ERP to the broker of the settings: its initial load, then its changes.

    With --orders a simulated shop places orders among them.
    """
    settings = load_settings()
    if settings.embedded:
        raise typer.BadParameter(
            "the broker memory:// can't be reached from outside its process: `comporta demo` simulates an ERP there; "
            "or set COMPORTA_BROKER_URL to amqp://…"
        )
    erp = SimulatedErp(
        seed,
        shop,
        _read(catalogue_from, source),
        faults=_faults(duplicates=duplicates, reordered=reordered, late=late, bad=bad, deletes=deletes),
        first_sequence=first_sequence,
        late_by=max(1, round(_LATE_SECONDS * rate)),
    )
    customers = None
    if orders:
        known_orders = _read(orders_from, source)
        customers = SimulatedShop(seed, shop, known_orders, duplicates=duplicates, bad=bad, first_number=first_sequence)
    configure_logs("WARNING", settings.log_format)
    _declare(settings.broker_url, settings.partition_layout)
    limit = _TimeLimit(seconds)
    stop_on_signals(limit.stop)
    with Publisher(settings.broker_url, name="simulated ERP") as publisher:
        run = _Run(publisher)
        with run.progress():
            messages = traffic(erp, rate, customers, orders, sleep=limit.sleep)
            run.publish(limit.apply(islice(messages, count)))
    print_json(run.summary) if as_json else console.print(run.sentences, markup=False, soft_wrap=True)
    raise typer.Exit(0 if run.fates[Fate.CONFIRMED] == run.published else 1)


def _faults(**shares: float) -> Faults:
    try:
        return Faults(**shares)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _read(parse: Callable[[str], Parsed], source: str) -> Parsed:
    try:
        return parse(source)
    except SimulatorDataMissing as error:
        raise fail(str(error)) from None
    except (OSError, LZMAError, ValueError) as error:
        raise typer.BadParameter(f"--source: {source} is neither {NFE} nor a readable file: {error}") from None


def _declare(url: str, partitions: Partitions) -> None:
    # On a broker without queues, to which no worker has connected yet, every event would be returned.
    connection = open_connection(url, name="simulated ERP")
    try:
        declare(connection, partitions)
    finally:
        release(connection)


class _TimeLimit:
    """End of the run: after so many seconds, or at a signal."""

    def __init__(self, seconds: float | None) -> None:
        self.stop = threading.Event()
        self._end = None if seconds is None else time.monotonic() + seconds

    def sleep(self, seconds: float) -> None:
        self.stop.wait(min(seconds, self._left))

    def apply(self, messages: Iterator[OutgoingMessage]) -> Iterator[OutgoingMessage]:
        return takewhile(lambda _: not self.stop.is_set() and self._left > 0, messages)

    @property
    def _left(self) -> float:
        return float("inf") if self._end is None else max(0.0, self._end - time.monotonic())


@dataclass
class _Run:
    """Run of a simulation, with counts of the published messages by fate."""

    publisher: Publisher
    published: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    details: dict[Fate, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def publish(self, messages: Iterator[OutgoingMessage]) -> None:
        for result in self.publisher.publish_all(self._counted(messages)):
            self.fates[result.fate] += 1
            if result.detail:
                self.details.setdefault(result.fate, result.detail)

    def progress(self) -> AbstractContextManager[object]:
        """Return a live line of the counts on a terminal, elsewhere a context without output."""
        if not console.is_terminal:
            return nullcontext()
        return Live(
            console=console,
            get_renderable=lambda: Text(self._line),
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
        )

    @property
    def summary(self) -> dict[str, Any]:
        """Return the counts, which add up, and the first error of each fate other than confirmed."""
        seconds = round(time.monotonic() - self.started, 1)
        fates = {fate.value: self.fates[fate] for fate in Fate}
        return {"published": self.published, **fates, "seconds": seconds, "details": self.details}

    @property
    def sentences(self) -> str:
        """Return the summary for people."""
        parts = " + ".join(f"{self.fates[fate]:,} {fate}" for fate in Fate)
        first = f"{self.published:,} published = {parts}, in {self.summary['seconds']:,} s"
        return "\n".join([first, *(f"  the first {fate}: {detail}" for fate, detail in self.details.items())])

    @property
    def _line(self) -> str:
        confirmed = self.fates[Fate.CONFIRMED]
        rate = confirmed / max(time.monotonic() - self.started, 0.001)
        state = "" if self.publisher.state == "open" else f" ({self.publisher.state})"
        return f"{self.published:,} published, {confirmed:,} confirmed, {rate:,.0f} per second; Ctrl-C ends{state}"

    def _counted(self, messages: Iterator[OutgoingMessage]) -> Iterator[OutgoingMessage]:
        for message in messages:
            self.published += 1
            yield message


def simulate_erp(
    http: Annotated[
        int | None,
        typer.Option("--http", help="Answer on this port instead of the queue erp.orders.", min=1, max=65535),
    ] = None,
    shop: Annotated[
        list[str] | None,
        typer.Option(
            help="Answer this shop's own queue (COMPORTA_ERP_ORDER_QUEUES) instead of erp.orders; may be repeated.",
            callback=shop_ids,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed and order give the same answer.")] = 1,
    slow: Annotated[float, typer.Option(help="Share of orders that are answered after 1 to 4 s.", min=0, max=1)] = 0.1,
    rejected: Annotated[float, typer.Option(help="… that are rejected.", min=0, max=1)] = 0.05,
    silent: Annotated[float, typer.Option(help="… that are never answered.", min=0, max=1)] = 0.02,
) -> None:
    """Simulate an ERP that answers orders, over AMQP or over HTTP, until Ctrl-C."""
    # Loaded here: the commands that only read would wait for the server's libraries.
    from comporta.simulator.receipts import AnsweringErp

    settings = load_settings()
    configure_logs("ERROR", settings.log_format)
    stop = threading.Event()
    stop_on_signals(stop)
    answers = AnsweringErp(seed, slow=slow, rejected=rejected, silent=silent)
    if http is not None:
        if shop:
            raise typer.BadParameter("--shop names a queue, and over HTTP there is none: leave out --shop or --http")
        from comporta.simulator.http_erp import serve_answers

        console.print(f"COMPORTA_ERP_URL=http://127.0.0.1:{http}/orders   Ctrl-C ends.", markup=False)
        serve_answers(answers, http, stop)
        return
    if settings.embedded:
        raise fail(
            "the broker memory:// can't be reached from outside its process: `comporta demo` has an ERP there; "
            "use --http PORT, or set COMPORTA_BROKER_URL to amqp://…",
            2,
        )
    from comporta.simulator.order_answers import answer_orders

    queues = ", ".join(orders_queue(name).name for name in shop or ()) or ORDERS_OUT
    console.print(f"Answering the orders in {queues}. Ctrl-C ends.", markup=False)
    answer_orders(settings.broker_url, answers, stop, shop or ())
