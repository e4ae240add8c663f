"""Background replays and drops on the page: those of the last day with their progress, and their end by an operator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request, Response

from comporta.web.pages.forms import Form, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.renderer import Pages, translate
from control.quarantine_jobs import QuarantineJobs
from storage.quarantine_jobs import Job

__all__ = ["JOB_STATES", "quarantine_jobs_router", "recent_jobs"]

_RECENT = timedelta(days=1)
_MOST = 3
_ENDED = N_("It is ended; what it has done stays done.")
_OVER = N_("It had ended already.")
JOB_STATES = {
    "running": N_("running"),
    "canary": N_("waiting for the first ten"),
    "done": N_("done"),
    "stopped": N_("stopped"),
    "cancelled": N_("ended by an operator"),
}


def recent_jobs(jobs: QuarantineJobs) -> list[Job]:
    """Return the jobs that go on, and the last of those that ended within a day."""
    now = datetime.now(UTC)
    recent = [job for job in jobs.newest() if job.ended_at is None or now - job.ended_at < _RECENT]
    return [job for job in recent if job.is_open] + [job for job in recent if not job.is_open][:_MOST]


def quarantine_jobs_router(pages: Pages, jobs: QuarantineJobs) -> APIRouter:
    """Return the route that ends a background replay or drop."""
    router = APIRouter(include_in_schema=False)

    @router.post("/quarantine/jobs/cancel")
    def cancel(request: Request, id: Form = "") -> Response:
        def run() -> str:
            ended = jobs.cancel(id)
            return translate(request, _ENDED if ended else _OVER)

        return run_action(pages, request, run)

    return router
