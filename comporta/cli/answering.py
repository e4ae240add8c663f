"""`comporta simulate-erp`."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from comporta.cli.output import console, fail
from comporta.runtime.logging import configure_logs
from comporta.runtime.settings import load_settings
from comporta.runtime.threads import stop_on_signals

__all__ = ["simulate_erp"]


def simulate_erp(
    http: Annotated[
        int | None,
        typer.Option("--http", help="Answer at this port instead of the queue erp.orders.", min=1, max=65535),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed and order give the same answer.")] = 1,
    slow: Annotated[float, typer.Option(help="Share of orders that are answered after 1 to 4 s.", min=0, max=1)] = 0.1,
    rejected: Annotated[float, typer.Option(help="… that are answered with a no.", min=0, max=1)] = 0.05,
    silent: Annotated[float, typer.Option(help="… that are never answered.", min=0, max=1)] = 0.02,
) -> None:
    """Play an ERP that answers orders, over AMQP or over HTTP, until Ctrl-C."""
    # Loaded here: the commands that only ask should not wait for the server's libraries.
    from comporta.simulator.receipts import AnsweringErp

    settings = load_settings()
    configure_logs("ERROR", settings.log_format)
    stop = threading.Event()
    stop_on_signals(stop)
    answers = AnsweringErp(seed, slow=slow, rejected=rejected, silent=silent)
    if http is not None:
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
    from comporta.simulator.feeds import answer_orders

    console.print("Answering the queue erp.orders. Ctrl-C ends.", markup=False)
    answer_orders(settings.broker_url, answers, stop)
