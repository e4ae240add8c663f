"""One call at a time with a bound on the wait, for checks that may hang."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from comporta.runtime.health import ReadinessProbe
from comporta.runtime.single_flight import SingleFlight


class Counted:
    """A question that counts how often it is asked, and answers when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may = threading.Event()

    def __call__(self) -> int:
        self.asked += 1
        self.may.wait(10)
        return self.asked


async def _ask(asked: SingleFlight[int], times: int) -> list[int | BaseException]:
    return await asyncio.gather(*(asked.answer() for _ in range(times)), return_exceptions=True)


def test_many_who_ask_what_hangs_are_all_let_go_and_cost_one_thread() -> None:
    question = Counted()
    asked = SingleFlight("a test", question, patience=0.05, fresh=0.0)
    began = time.monotonic()
    for _ in range(3):
        answers = asyncio.run(_ask(asked, 20))
        assert all(isinstance(answer, TimeoutError) for answer in answers)
    assert question.asked == 1
    assert time.monotonic() - began < 5
    question.may.set()


def test_an_answer_is_shared_while_it_is_fresh_and_asked_anew_after_that() -> None:
    question = Counted()
    question.may.set()
    fresh, stale = (SingleFlight("a test", question, patience=5, fresh=seconds) for seconds in (60, 0))
    assert [*asyncio.run(_ask(fresh, 3)), *asyncio.run(_ask(fresh, 1))] == [1, 1, 1, 1]
    assert [*asyncio.run(_ask(stale, 1)), *asyncio.run(_ask(stale, 1))] == [2, 3]


def test_what_the_asking_raises_reaches_every_caller() -> None:
    def refuse() -> int:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"):
        asyncio.run(SingleFlight("a test", refuse, patience=5, fresh=0).answer())


def test_a_part_that_is_away_keeps_the_moment_it_was_first_missed_until_it_is_back() -> None:
    away = [True]

    def broker() -> None:
        if away[0]:
            raise ConnectionError

    readiness = ReadinessProbe({"broker": broker, "database": lambda: None}, fresh=0.0)
    first, second = asyncio.run(readiness.check()), asyncio.run(readiness.check())
    assert (first["broker"].reachable, first["database"].reachable) == (False, True)
    assert first["broker"].since == second["broker"].since is not None
    away[0] = False
    back = asyncio.run(readiness.check())
    assert (back["broker"].reachable, back["broker"].since) == (True, None)


def test_a_part_that_hangs_counts_as_away() -> None:
    never = Counted()
    readiness = ReadinessProbe({"broker": never.may.wait, "database": lambda: None}, patience=0.05)
    assert not asyncio.run(readiness.check())["broker"].reachable
    never.may.set()
