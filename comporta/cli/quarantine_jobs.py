"""`comporta quarantine jobs`: background replays and drops of many messages."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import ListGroup, confirm, confirm_discard
from comporta.cli.output import AsJson, console, one_line, print_json, print_rows
from comporta.runtime.settings import load_settings
from rules.actions import AuditContext
from storage.quarantine_jobs import QuarantineAction
from storage.views import QuarantineFilter

__all__ = ["begin_job", "jobs_app"]

jobs_app = typer.Typer(cls=ListGroup, help="Replays and drops in the background: `replay --background` begins one.")

JobId = Annotated[str, typer.Argument(metavar="ID")]
_LISTED = ("id", "at", "action", "state", "title", "chosen", "done", "staying", "came_back", "by")
_FACTS = (*_LISTED, "reason", "error", "ended_at")


@jobs_app.command("list")
def jobs_list(as_json: AsJson = False) -> None:
    """List the newest jobs with their progress: done have left the quarantine, came_back were refused again."""
    with remote_for(load_settings()).quarantine() as quarantine:
        jobs = quarantine.jobs()
    if as_json:
        print_json(jobs)
    else:
        print_rows(jobs, _LISTED, "no replay or drop in the background")


@jobs_app.command("show")
def jobs_show(identity: JobId, as_json: AsJson = False) -> None:
    """Show one job and how far it is."""
    with remote_for(load_settings()).quarantine() as quarantine:
        _print(quarantine.job(identity), as_json)


@jobs_app.command("cancel")
def jobs_cancel(identity: JobId, as_json: AsJson = False) -> None:
    """End a job after its present step; what it has done stays done."""
    with remote_for(load_settings()).quarantine() as quarantine:
        _print(quarantine.cancel(identity), as_json)


def begin_job(
    action: QuarantineAction,
    filters: QuarantineFilter,
    context: AuditContext,
    *,
    canary: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Begin a replay or a drop in the background, and print its id; a drop only after a confirmation."""
    remote = remote_for(load_settings())
    with remote.actions() as actions:
        number = actions.count_quarantined(filters)
    if action == "drop" and number:
        confirm(f"Remove {number} messages from the quarantine for good?", yes=yes)
    with remote.quarantine() as quarantine:
        job = confirm_discard(
            lambda discard: quarantine.begin(action, filters, context, number, canary=canary, discard=discard), yes=yes
        )
    if as_json:
        print_json(job)
        return
    console.print(f"{action} of {number:,} messages begun: {job['id']}", markup=False)
    console.print(f"`comporta quarantine jobs show {job['id']}` shows how far it is", markup=False)


def _print(job: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    console.print(
        one_line(f"{job['action']} {job['state']}: {job['done']:,} of {job['chosen']:,} messages"), markup=False
    )
    print_rows([{"field": name, "value": job[name]} for name in _FACTS], ("field", "value"), "")
