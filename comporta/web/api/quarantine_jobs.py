"""Background replays and drops of many quarantined messages: begun, looked at, cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel

from comporta.web.api.params import Discard, only_known
from comporta.web.api.quarantine import ManyMessages
from comporta.web.request import audit_context
from control.quarantine_jobs import QuarantineJobs
from storage.quarantine_jobs import Job

__all__ = ["quarantine_jobs_router"]


class JobWanted(ManyMessages):
    """Replay or drop of many messages; with `canary` ten are replayed first, and the others only if none comes back."""

    action: Literal["replay", "drop"]
    canary: bool = True
    discard: Discard = False


class JobShown(BaseModel):
    """Background replay or drop.

    `state`: running, canary (it waits for what becomes of the first ten), done, stopped (with `error`) or cancelled.
    `done` have left the quarantine, `staying` can't be replayed, `came_back` were refused again since it began.
    """

    id: str
    action: str
    state: str
    title: str
    chosen: int
    done: int
    staying: int
    came_back: int
    by: str
    reason: str | None
    error: str | None
    at: datetime
    ended_at: datetime | None


def quarantine_jobs_router(jobs: QuarantineJobs) -> APIRouter:
    """Return the routes of the background replays and drops; the application handles `ActionError`."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get("/quarantine/jobs", tags=["look"])
    def newest() -> list[JobShown]:
        """Return the newest jobs first."""
        return [_shown(job) for job in jobs.newest()]

    @router.post("/quarantine/jobs", tags=["act"])
    def begin(request: Request, body: JobWanted) -> JobShown:
        """Begin a replay or a drop in the background; 409 unless the number of messages is the expected one.

        428 if some would be discarded, since they are off, unless the body says `discard`.
        """
        if body.dry_run:
            raise HTTPException(400, "dry_run: a job has none; /api/quarantine/replay and /drop count the messages")
        context = audit_context(request, body.reason)
        identity = jobs.begin(
            body.action, body.selection, context, body.expected, canary=body.canary, discard=body.discard
        )
        return _shown(jobs.one(identity))

    @router.get("/quarantine/jobs/{identity}", tags=["look"])
    def one(identity: str) -> JobShown:
        """Return one job."""
        return _shown(jobs.one(identity))

    @router.post("/quarantine/jobs/{identity}/cancel", tags=["act"])
    def cancel(identity: str) -> JobShown:
        """End a job after its present step; what it has done stays done."""
        jobs.cancel(identity)
        return _shown(jobs.one(identity))

    return router


def _shown(job: Job) -> JobShown:
    return JobShown.model_validate(job.document())
