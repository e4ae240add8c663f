"""Background replays and drops of many quarantined messages, with a first ten that are tried alone."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import structlog

from control.discards import check_discards
from control.replay import ReplayResult, replay_batch
from producers.messages import OpenPublish
from rules.actions import ActionError, AuditContext, NotFound, check_expected
from storage.audit import AuditEntry
from storage.errors import StorageError
from storage.fence import Fence
from storage.quarantine import QuarantinedMessage, QuarantineStore
from storage.quarantine_jobs import Job, JobStore, QuarantineAction
from storage.views import QuarantineFilter

__all__ = ["CANARY", "JobLoop", "QuarantineJobs"]

log = structlog.get_logger(__name__)

CANARY = 10
_SETTLE = timedelta(seconds=10)
_TICK_SECONDS = 2.0
_AT_ONCE = 100


class QuarantineJobs:
    """The operators' side: jobs are begun, looked at and cancelled; each raises an `ActionError` if it can't be."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._quarantine = QuarantineStore(fence)
        self._jobs = JobStore(fence)

    def begin(
        self,
        action: QuarantineAction,
        filter: QuarantineFilter,
        context: AuditContext,
        expected: int | None = None,
        *,
        canary: bool = True,
        discard: bool = False,
    ) -> str:
        """Begin a replay or a drop of the selected messages; return the job's id.

        Raises `CountChanged` and, for a replay without `discard`, `WouldBeDiscarded` while any of them is off.
        """
        selection = self._quarantine.select(filter)
        check_expected("messages", expected, selection.number)
        if action == "replay" and not discard:
            check_discards(self._fence, "messages", self._quarantine.scopes(filter))
        entry = AuditEntry(action, context, filter.shop, filter.domain, str(filter))
        tried_first = canary and action == "replay"
        return self._jobs.begin(action, entry, filter, selection, canary=tried_first, discard=discard)

    def newest(self) -> list[Job]:
        """Return the newest jobs first."""
        return self._jobs.newest()

    def one(self, identity: str) -> Job:
        """Return a job; raises `NotFound`."""
        job = self._jobs.one(identity)
        if job is None:
            raise NotFound(f"no replay or drop of many has the id {identity}")
        return job

    def cancel(self, identity: str) -> bool:
        """End a job after its present step; return whether it was going on. Raises `NotFound`."""
        self.one(identity)
        return self._jobs.end(identity, "cancelled")


class JobLoop:
    """Loop of every process until `stop` is set; a job is done by one process at a time, and goes on in another."""

    def __init__(
        self,
        fence: Fence,
        holder: str,
        open_publish: OpenPublish,
        stop: threading.Event,
        settle: timedelta = _SETTLE,
    ) -> None:
        self._fence = fence
        self._jobs = JobStore(fence)
        self._quarantine = QuarantineStore(fence)
        self._holder = holder
        self._open_publish = open_publish
        self._stop = stop
        self._settle = settle

    def run(self) -> None:
        """Do what there is to do; while the database is away, wait."""
        reported = ""
        while not self._stop.wait(_TICK_SECONDS):
            try:
                self.work()
                reported = ""
            except (StorageError, ActionError) as error:
                if str(error) != reported:
                    log.warning("no replay in the background", error=str(error))
                reported = str(error)

    def work(self) -> int:
        """Do steps until no job is open or one has to wait; return their number."""
        steps = 0
        job = self._jobs.claim(self._holder)
        while job is not None and not self._stop.is_set():
            steps += 1
            if not self._step(job):
                break
            job = self._jobs.claim(self._holder)
        return steps

    def _step(self, job: Job) -> bool:
        """Do one step of a job; return False if it has to wait."""
        if job.state == "canary":
            if job.came_back:
                sentence = f"some of the first {job.done} came back: the others were not tried"
                self._jobs.end(job.id, "stopped", sentence)
                return True
            return self._jobs.go_on(job)
        if job.action == "drop":
            self._drop(job)
        else:
            self._replay(job)
        return True

    def _drop(self, job: Job) -> None:
        dropped = self._quarantine.drop_batch(job.audit_id, job.filter, job.through)
        self._jobs.note(job, done=dropped)
        if not dropped:
            self._jobs.end(job.id, "done")

    def _replay(self, job: Job) -> None:
        most = CANARY if job.canary else _AT_ONCE
        batch = self._quarantine.claim(job.filter, job.through, job.after, most)
        if not batch:
            self._jobs.end(job.id, "done")
            return
        if not job.discard and not self._may_be_sent(job, batch):
            return
        self._jobs.remember(job, [message.id for message in batch])
        began, result = time.monotonic(), ReplayResult(len(batch))
        with self._open_publish() as publish:
            replay_batch(publish, self._quarantine, job.audit_id, batch, result)
        self._jobs.note(job, done=result.replayed, staying=result.staying, after=batch[-1].id)
        if result.error is not None:
            self._jobs.end(job.id, "stopped", result.error)
        elif job.canary:
            self._jobs.canary(job, self._settle)
        log.debug("replayed in the background", job=job.id, messages=len(batch), seconds=time.monotonic() - began)

    def _may_be_sent(self, job: Job, batch: Sequence[QuarantinedMessage]) -> bool:
        """Return whether none of a step's messages would be discarded; else release them, and end the job."""
        try:
            # The step's alone: to count all that are left at each step would take ever longer, the more there are.
            check_discards(self._fence, "messages", Counter((message.shop, message.domain) for message in batch))
        except ActionError as error:
            self._quarantine.release([message.id for message in batch])
            self._jobs.end(job.id, "stopped", str(error))
            return False
        return True
