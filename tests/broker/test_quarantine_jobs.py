"""Background replays and drops: ten go first, what comes back is counted, and an operator ends one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from control.quarantine_jobs import JobLoop, QuarantineJobs
from producers.messages import Publish
from rules.actions import CountChanged, WouldBeDiscarded
from storage.views import QuarantineFilter
from tests.support.operator import ANA, Operator
from tests.support.pipeline import Pipeline, stock_event

EVERY = QuarantineFilter()


class Jobs:
    """A pipeline with an operator and a process that does the jobs."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.operator = Operator(pipeline)
        self.jobs = QuarantineJobs(pipeline.database.fence)
        self.loop = self.process("one")
        self.worker = pipeline.stepped_worker("stock")

    def process(self, name: str, settle: timedelta = timedelta(0)) -> JobLoop:
        @contextmanager
        def open_publish() -> Iterator[Publish]:
            yield self.operator.publish

        return JobLoop(self.pipeline.database.fence, name, open_publish, self.pipeline.stop, settle)

    def refuse(self, number: int) -> None:
        self.pipeline.publish(*(stock_event(version, f"P{version}", unit=None) for version in range(1, number + 1)))
        self.worker.drain(number)
        assert self.kept() == number

    def kept(self) -> int:
        return len(self.pipeline.database.views.rows(EVERY, 1_000))


@pytest.fixture
def jobs(pipeline: Pipeline) -> Iterator[Jobs]:
    jobs = Jobs(pipeline)
    with jobs.worker:
        yield jobs
    jobs.operator.close()


def test_the_others_are_not_tried_if_any_of_the_first_ten_comes_back(jobs: Jobs) -> None:
    jobs.refuse(25)
    identity = jobs.jobs.begin("replay", EVERY, ANA, 25)
    waiting = jobs.process("one", timedelta(hours=1))
    assert waiting.work() == 2
    assert (jobs.jobs.one(identity).state, jobs.jobs.one(identity).done) == ("canary", 10)
    jobs.worker.drain(10)
    assert waiting.work() == 1
    job = jobs.jobs.one(identity)
    assert (job.state, job.done, job.came_back, job.error) == (
        "stopped",
        10,
        10,
        "some of the first 10 came back: the others were not tried",
    )
    assert jobs.kept() == 25
    [entry] = jobs.operator.audit()
    assert (entry["action"], entry["result"], entry["count"]) == ("replay", "failed", 10)


def test_what_comes_back_is_counted_at_the_end(jobs: Jobs) -> None:
    jobs.refuse(15)
    identity = jobs.jobs.begin("replay", EVERY, ANA, 15)
    jobs.loop.work()
    job = jobs.jobs.one(identity)
    assert (job.state, job.done, job.came_back, jobs.kept()) == ("done", 15, 0, 0)
    jobs.worker.drain(15)
    assert jobs.jobs.one(identity).came_back == 15
    [entry] = jobs.operator.audit()
    assert (entry["result"], entry["count"]) == ("done", 15)


def test_a_job_goes_on_in_another_process_and_is_ended_by_an_operator(jobs: Jobs) -> None:
    jobs.refuse(12)
    identity = jobs.jobs.begin("replay", EVERY, ANA, 12)
    jobs.process("one", timedelta(hours=1)).work()
    other = jobs.process("other")
    assert other.work() == 0
    assert jobs.jobs.cancel(identity)
    assert not jobs.jobs.cancel(identity)
    assert jobs.loop.work() == 0
    assert (jobs.jobs.one(identity).state, jobs.kept()) == ("cancelled", 2)


def test_many_are_dropped_in_the_background(jobs: Jobs) -> None:
    jobs.refuse(3)
    with pytest.raises(CountChanged):
        jobs.jobs.begin("drop", EVERY, ANA, 4)
    identity = jobs.jobs.begin("drop", EVERY, ANA, 3)
    jobs.loop.work()
    assert (jobs.jobs.one(identity).state, jobs.jobs.one(identity).done, jobs.kept()) == ("done", 3, 0)


def test_a_pause_that_comes_stops_a_replay_which_would_be_discarded(jobs: Jobs) -> None:
    jobs.refuse(2)
    identity = jobs.jobs.begin("replay", EVERY, ANA, 2)
    jobs.pipeline.change("pause", reason="a test")
    with pytest.raises(WouldBeDiscarded):
        jobs.jobs.begin("replay", EVERY, ANA, 2)
    jobs.loop.work()
    job = jobs.jobs.one(identity)
    assert (job.state, job.done, jobs.kept()) == ("stopped", 0, 2)
    assert "would be discarded" in str(job.error)


def test_a_pause_of_another_shop_lets_a_replay_go_on_until_its_messages_come(jobs: Jobs) -> None:
    jobs.refuse(2)
    jobs.pipeline.publish(stock_event(1, "P9", unit=None), key="other.stock")
    jobs.worker.drain(1)
    identity = jobs.jobs.begin("replay", EVERY, ANA, 3, canary=False)
    jobs.pipeline.change("pause", reason="a test", shop="another", domains=["stock"])
    jobs.loop.work()
    assert (jobs.jobs.one(identity).state, jobs.jobs.one(identity).done) == ("done", 3)


def test_messages_of_a_replay_that_was_stopped_can_be_replayed_at_once(jobs: Jobs) -> None:
    jobs.refuse(2)
    jobs.jobs.begin("replay", EVERY, ANA, 2, canary=False)
    jobs.pipeline.change("pause", reason="a test")
    jobs.loop.work()
    jobs.pipeline.change("resume", reason="a test")
    again = jobs.jobs.begin("replay", EVERY, ANA, 2, canary=False)
    jobs.loop.work()
    assert (jobs.jobs.one(again).state, jobs.jobs.one(again).done) == ("done", 2)
