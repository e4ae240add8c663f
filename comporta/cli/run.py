"""`comporta run`, `worker`, `admin`, `migrate` and `demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from comporta.cli.commands import uncollected
from comporta.cli.options import check_domain
from comporta.cli.output import AsJson, console, fail, print_json
from comporta.runtime.settings import load_settings
from schemas.domains import DOMAIN_NAMES

__all__ = ["admin", "demo", "migrate", "run", "worker"]


def run() -> None:
    """Run worker and page in one process, on the broker and database of the settings."""
    # Loaded here: the commands that only read would wait for the server's libraries.
    with uncollected():
        from comporta.runtime.process import run_process
        from comporta.web.server import web_server

    raise typer.Exit(run_process(load_settings(), DOMAIN_NAMES, web_server))


def worker(
    domains: Annotated[
        str, typer.Option(help="Domains, separated by commas; orders includes receipts and delivery.")
    ] = ",".join(DOMAIN_NAMES),
    processes: Annotated[int, typer.Option(help="Number of processes.", min=1, max=64)] = 1,
) -> None:
    """Run consumers only."""
    settings = load_settings()
    if settings.embedded:
        raise typer.BadParameter(
            "the broker memory:// lives inside one process: use `comporta run`, or set COMPORTA_BROKER_URL to amqp://…"
        )
    selected = tuple(dict.fromkeys(name.strip() for name in domains.split(",")))
    unknown = [name for name in selected if name not in DOMAIN_NAMES]
    if unknown:
        check_domain("--domains: ", ", ".join(unknown), DOMAIN_NAMES)
    if processes == 1:
        with uncollected():
            from comporta.runtime.process import run_process

        raise typer.Exit(run_process(settings, selected))
    from comporta.runtime.supervisor import run_processes

    raise typer.Exit(run_processes(settings, selected, processes))


def admin() -> None:
    """Run the page, the API and the metrics only; several instances may run."""
    settings = load_settings()
    if settings.embedded:
        raise typer.BadParameter(
            "the broker memory:// lives inside one process: use `comporta run`, or set COMPORTA_BROKER_URL to amqp://…"
        )
    with uncollected():
        from comporta.runtime.process import run_process
        from comporta.web.server import web_server

    raise typer.Exit(run_process(settings, (), web_server))


def migrate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done, and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create or upgrade the database.

    It first says which steps it takes and about how long. Workers may run meanwhile, and those of the former release go
    on afterwards; started again, they refuse the newer database.
    """
    from comporta.cli.migration import narrow_missed, plan_json, print_plan
    from storage.database import open_database

    database = open_database(load_settings().database_url)
    plan = database.plan_migration()
    if not as_json:
        print_plan(plan)
    if dry_run:
        if as_json:
            print_json(plan_json(plan))
        elif not plan.steps:
            console.print(f"the database is at revision {plan.after}: there is nothing to do")
        return
    before, after = database.migrate()
    if as_json:
        print_json({**plan_json(plan), "before": before, "after": after})
    else:
        was = "" if before == after else f" (was at {before or 'none'})"
        console.print(f"the database is at revision {after}{was}")
    narrow_missed(database)


def demo(
    seconds: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=1)] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the page and the API; by default 8080 if it is free.", min=1, max=65535)
    ] = None,
) -> None:
    """Run everything in one process, fed by a simulated ERP with real invoices."""
    from comporta.cli.demo import run_demo
    from comporta.simulator.nfe import SimulatorDataMissing

    try:
        code = run_demo(console, seconds, port)
    except SimulatorDataMissing as error:
        raise fail(str(error)) from None
    raise typer.Exit(code)
