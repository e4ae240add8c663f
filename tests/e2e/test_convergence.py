"""Any order, repetition, batch cut, crash, pause and resume give the state of a five-line model."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from consumers.delivery import Delivery
from storage.views import MissedFilter
from tests.support.event_samples import sample_event
from tests.support.pipeline import Pipeline

Key = tuple[str, str]
Version = tuple[int, str]
Sent = tuple[Key, Version, str]

_examples = itertools.count()


class Convergence(RuleBasedStateMachine):
    """A worker over a queue, against what should come of it; every example has shops of its own."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline = pipeline
        pipeline.purge()
        pipeline.change("resume")
        example = next(_examples)
        self.shops = {letter: f"{letter}{example}" for letter in "ab"}
        self.sent: deque[Sent] = deque()
        self.settled, self.settled_before = 0, self.total()
        self.off: set[str] = set()
        self.applied: dict[Key, Version] = {}
        self.actions: dict[Key, str] = {}
        self.missed: dict[Key, Version] = {}

    def teardown(self) -> None:
        for shop in self.off:
            self.pipeline.change("resume", shop=shop, new_shop=True)

    @rule(
        letter=st.sampled_from("ab"),
        code=st.sampled_from("xyz"),
        version=st.integers(0, 5),
        identity=st.sampled_from(["i", "j"]),
        action=st.sampled_from(["changed", "deleted"]),
    )
    def publish(self, letter: str, code: str, version: int, identity: str, action: str) -> None:
        self.tell((self.shops[letter], code), (version, identity), action)

    @rule()
    def answer_a_resync(self) -> None:
        # The ERP tells again what it told before, under an id that is new, and lower than the one that was missed.
        for key, (version, _) in self.missed.items():
            self.tell(key, (version, "a"), "changed")

    def tell(self, key: Key, version: Version, action: str) -> None:
        shop, code = key
        envelope = {"sequence": str(version[0]), "id": version[1]}
        self.send(sample_event("stock", action=action, envelope=envelope, product_code=code), f"{shop}.stock")
        self.sent.append((key, version, action))

    @rule(size=st.integers(1, 5), crash=st.booleans())
    def process(self, size: int, crash: bool) -> None:
        batch = list(itertools.islice(self.sent, size))
        for sent in batch:
            self.expect(*sent)
        if crash:
            # Committed and not acknowledged: all of it comes again.
            self.step(len(batch), size, settle=False)
        self.step(len(batch), size, settle=True)
        for _ in batch:
            self.sent.popleft()

    def expect(self, key: Key, version: Version, action: str) -> None:
        applied = self.applied.get(key, (-1, ""))
        if self.off & {"*", key[0]}:
            if version[0] > applied[0]:
                self.missed[key] = max(version, self.missed.get(key, version))
            return
        # Another event of the same version and id is refused: what is there stays.
        if version > applied:
            self.applied[key], self.actions[key] = version, action
        if self.missed.get(key, version)[0] <= self.applied[key][0]:
            self.missed.pop(key, None)

    @rule(action=st.sampled_from(["pause", "resume"]), letter=st.sampled_from("*ab"))
    def switch(self, action: Any, letter: str) -> None:
        shop = self.shops.get(letter, "*")
        self.pipeline.change(action, shop=shop, new_shop=True)
        (self.off.add if action == "pause" else self.off.discard)(shop)

    @invariant()
    def tables_and_missed_are_the_models(self) -> None:
        rows = {
            (row["shop"], row["product_code"]): ((row["version"], row["event_id"]), row["deleted"])
            for row in self.pipeline.rows()
            if row["shop"] in self.shops.values()
        }
        assert rows == {key: (sent, self.actions[key] == "deleted") for key, sent in self.applied.items()}
        missed = {
            (row["shop"], row["key"]["product_code"]): (row["version"], row["event_id"])
            for shop in self.shops.values()
            for row in self.pipeline.database.views.rows(MissedFilter(shop=shop))
        }
        assert missed == self.missed
        assert self.total() == self.settled_before + self.settled

    def total(self) -> int:
        return sum(self.pipeline.outcomes().values())

    def step(self, number: int, size: int, *, settle: bool) -> None:
        """Takes the first of the queue as one batch; perhaps without acknowledging."""
        if number:
            assert self.take(number, size, settle=settle) == number
            self.settled += number

    def send(self, body: bytes, key: str) -> None:
        """Adds a message to the queue."""
        raise NotImplementedError

    def take(self, number: int, size: int, *, settle: bool) -> int:
        """Processes a batch of at most `size`, where so many can be had; returns how many it were."""
        raise NotImplementedError


class OnRealParts(Convergence):
    """Over RabbitMQ, each batch on a connection of its own."""

    def send(self, body: bytes, key: str) -> None:
        self.pipeline.publish(body, key=key)

    def take(self, number: int, size: int, *, settle: bool) -> int:
        with self.pipeline.stepped_worker("stock", batch_size=size, prefetch=size) as worker:
            if not settle:
                worker.source.settle = _forget  # type: ignore[method-assign]
            return worker.step(buffered=number)


class Embedded(Convergence):
    """Over a queue in memory that gives back what was not acknowledged."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        self.worker = pipeline.worker("stock")
        self.queue: deque[Delivery] = deque()

    def send(self, body: bytes, key: str) -> None:
        self.queue.append(Delivery("comporta.stock", len(self.queue), body, key, False, {}))

    def take(self, number: int, size: int, *, settle: bool) -> int:
        self.number, self.settling = number, settle
        return self.worker.step(self)

    def receive(self, wait: float) -> list[Delivery]:
        return list(itertools.islice(self.queue, self.number))

    def settle(self, batch: Sequence[Delivery]) -> None:
        if self.settling:
            assert [self.queue.popleft() for _ in batch] == list(batch)

    def keep_alive(self, seconds: float) -> None:
        raise AssertionError("the database is never away here")


def _forget(_batch: Sequence[Delivery]) -> None:
    """What a crash does instead of acknowledging."""


def test_the_state_converges_embedded(sqlite_url: str) -> None:
    _run(Embedded, Pipeline("memory://", sqlite_url), examples=25, steps=25)


def test_the_state_converges_on_real_parts(broker_url: str, database_url: str) -> None:
    # Fewer steps than the queue's delivery limit: what a batch leaves behind has been delivered too.
    _run(OnRealParts, Pipeline(broker_url, database_url), examples=20, steps=15)


def _run(machine: Callable[[Pipeline], Convergence], pipeline: Pipeline, *, examples: int, steps: int) -> None:
    effort = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    try:
        run_state_machine_as_test(lambda: machine(pipeline), settings=effort)
    finally:
        pipeline.close()
