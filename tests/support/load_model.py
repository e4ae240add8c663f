"""Model of full loads in a few lines, and a state machine that holds the product against it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from rules.actions import AuditContext
from rules.full_load import tombstone_id
from schemas.events import ChangeEvent
from schemas.full_load import LoadBegun, LoadChunk, LoadCompleted
from storage.audit import AuditEntry
from storage.load_decisions import LoadDecisions
from storage.load_settlement import LoadSettlement
from storage.views import LoadFilter, MissedFilter
from tests.support.load_harness import Item, LoadHarness, load_message, product

__all__ = ["LoadLifecycle", "LoadModel"]

KEYS = "ABCDEF"
LOADS = {"old": 20, "new": 40}
RANGES: tuple[tuple[str | None, str | None], ...] = ((None, "C"), ("C", "E"), ("E", None))
_examples = itertools.count()


@dataclass
class ModelChunk:
    """A chunk: version, range and count once it is announced; the keys that it has named; whether it has deleted."""

    announced: tuple[int, str | None, str | None, int] | None = None
    seen: set[str] = field(default_factory=set)
    settled: bool = False


@dataclass
class ModelLoad:
    """A load: its version once it has begun, its numbers once it was sent to its end."""

    version: int | None = None
    completed: tuple[int | None, int] | None = None
    chunks: dict[int, ModelChunk] = field(default_factory=dict)
    state: str = "running"

    def announced(self, number: int) -> tuple[int, str | None, str | None, int] | None:
        if number:
            return self.chunks[number].announced
        if self.version is None or self.completed is None or self.completed[0] is not None:
            return None
        return self.version, None, None, self.completed[1]


@dataclass
class LoadModel:
    """What a shop's products must be: rows by key as (version, id, deleted), missed versions by key, and the loads."""

    rows: dict[str, tuple[int, str, bool]] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    loads: dict[str, ModelLoad] = field(default_factory=dict)
    off: bool = False

    def take(self, batch: list[Item]) -> None:
        """Take a batch: messages of loads count before the events beside them."""
        for item in sorted(batch, key=lambda item: isinstance(item, ChangeEvent)):
            if isinstance(item, ChangeEvent):
                self.event(item)
            elif not hasattr(item, "refusal"):
                self.message(item)

    def event(self, event: ChangeEvent) -> None:
        key, version = event.key[0], event.version
        if event.load is not None:
            load = self.loads.setdefault(event.load.load_id, ModelLoad())
            chunk = load.chunks.setdefault(event.load.chunk, ModelChunk())
            if not self.off and load.state == "running" and not chunk.settled:
                chunk.seen.add(key)
        if self.off:
            if key not in self.rows or self.rows[key][0] < version:
                self.missed[key] = max(version, self.missed.get(key, 0))
            return
        self.write(key, (version, event.event_id, event.deleted))

    def write(self, key: str, row: tuple[int, str, bool]) -> None:
        if key not in self.rows or self.rows[key][:2] < row[:2]:
            self.rows[key] = row
        if row[0] >= self.missed.get(key, row[0]):
            self.missed.pop(key, None)

    def message(self, message: Any) -> None:
        load = self.loads.setdefault(message.load_id, ModelLoad())
        match message:
            case _ if load.state != "running":
                pass
            case LoadBegun():
                load.version = message.version
            case LoadCompleted():
                load.completed = message.chunks, message.count
            case LoadChunk():
                chunk = load.chunks.setdefault(message.chunk, ModelChunk())
                start, end = ((bound and bound[0]) for bound in message.range)
                if chunk.settled or (chunk.announced and message.version <= chunk.announced[0]):
                    return
                if chunk.announced:
                    chunk.seen = set()
                chunk.announced = message.version, start, end, message.count

    def settle(self) -> None:
        """End what is superseded; delete what complete chunks have not named; end what is finished."""
        begun = {
            name: load for name, load in self.loads.items() if load.state == "running" and load.version is not None
        }
        newest = max(begun, key=lambda name: (begun[name].version, name), default=None)
        for name, load in begun.items():
            if name != newest:
                load.state = "superseded"
        if newest is not None and not self.off:
            self.settle_load(newest, begun[newest])

    def settle_load(self, name: str, load: ModelLoad) -> None:
        seen = any(chunk.seen or chunk.settled for chunk in load.chunks.values())
        empty = load.completed is not None and load.completed[1] == 0 and not seen
        if load.completed == (None, 0):
            load.chunks.setdefault(0, ModelChunk())
        # In their order: ranges may overlap, and the first to delete a key gives it its version.
        for number, chunk in sorted(load.chunks.items()):
            announced = load.announced(number)
            if chunk.settled or announced is None or len(chunk.seen) != announced[3] or not (seen or empty):
                continue
            chunk.settled = True
            for key in [] if empty else self.within(announced):
                if not self.rows[key][2] and self.rows[key][0] <= announced[0] and key not in chunk.seen:
                    self.write(key, (announced[0], tombstone_id(name), True))
        settled = {number for number, chunk in load.chunks.items() if chunk.settled}
        if load.completed is None or not settled >= {
            *range(1, (load.completed[0] or 0) + 1),
            *([0] * (load.completed[0] is None)),
        }:
            return
        load.state = "completed"
        for key, version in [] if empty else list(self.missed.items()):
            row = self.rows.get(key)
            for number in sorted(settled):
                announced = load.announced(number)
                if announced and key in self.within(announced, self.missed) and version <= announced[0]:
                    if row is None or row[2]:
                        self.write(key, (announced[0], tombstone_id(name), True))
                    break

    def within(self, announced: tuple[int, str | None, str | None, int], keys: Any = None) -> list[str]:
        _, start, end, _ = announced
        return [k for k in (self.rows if keys is None else keys) if (start or "") <= k and (end is None or k < end)]


class LoadLifecycle(RuleBasedStateMachine):
    """Events, loads, pauses and repeats in any order, in batches; each example is a shop of its own."""

    def __init__(self, place: LoadHarness) -> None:
        super().__init__()
        self.place, self.shop, self.model = place, f"s{next(_examples)}", LoadModel()
        self.sent: list[Item] = []

    @initialize(chunked=st.booleans(), counts=st.lists(st.integers(0, 2), min_size=6, max_size=6))
    def plan(self, chunked: bool, counts: list[int]) -> None:
        """Decide what the messages of the two loads say, which never changes."""
        self.chunks = 3 if chunked else None
        self.counts = {name: counts[index * 3 : index * 3 + 3] for index, name in enumerate(LOADS)}

    def send(self, *batch: Item) -> None:
        self.sent.extend(batch)
        self.place.send(*batch)
        self.model.take(list(batch))
        self.compare()

    def message(self, kind: str, load: str, chunk: int, edition: int) -> Item:
        said: dict[str, Any] = {"load_id": load}
        match kind:
            case "begun":
                said |= {"version": LOADS[load]}
            case "chunk":
                start, end = RANGES[chunk - 1]
                said |= {"chunk": chunk, "version": LOADS[load] + 3 * edition, "count": self.counts[load][chunk - 1]}
                said |= {"from": start and [start], "to": end and [end]}
            case _:
                said |= {"chunks": self.chunks, "count": sum(self.counts[load])}
        return load_message(kind, shop=self.shop, **said)

    def event(self, key: str, version: int, load: str | None, chunk: int, deleted: bool) -> Item:
        action = "deleted" if deleted else "changed"
        part = None if load is None else (chunk if self.chunks else None)
        identity = f"{load}-{key}-{version}-{deleted}"
        return product(version, key, load, part, shop=self.shop, action=action, id=identity)

    items = st.one_of(
        st.tuples(
            st.just("event"),
            st.sampled_from(KEYS),
            st.integers(1, 50),
            st.sampled_from([None, *LOADS]),
            st.integers(1, 3),
            st.booleans().map(lambda deleted: deleted),
        ),
        st.tuples(
            st.sampled_from(["begun", "chunk", "completed"]),
            st.sampled_from([*LOADS]),
            st.integers(1, 3),
            st.integers(0, 1),
        ),
    )

    def build(self, said: tuple[Any, ...]) -> Item:
        kind, *rest = said
        if kind == "event":
            key, version, load, chunk, deleted = rest
            return self.event(key, version, load, chunk, deleted and load is None)
        return self.message(kind, *rest)

    @rule(batch=st.lists(items, min_size=1, max_size=6))
    def arrives(self, batch: list[tuple[Any, ...]]) -> None:
        self.send(*map(self.build, batch))

    @rule(load=st.sampled_from([*LOADS]), chunk=st.integers(1, 3), again=st.booleans())
    def a_chunk_arrives_whole(self, load: str, chunk: int, again: bool) -> None:
        number = self.counts[load][chunk - 1]
        start = RANGES[chunk - 1][0] or "A"
        keys = KEYS[KEYS.index(start) :][:number]
        events = [self.event(key, LOADS[load] - 5, load, chunk, deleted=False) for key in keys]
        self.send(self.message("chunk", load, chunk, 0), *events, *(events if again else ()))

    @rule(data=st.data())
    def comes_again(self, data: st.DataObject) -> None:
        if self.sent:
            self.send(*data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=4)))

    @rule(off=st.booleans())
    def is_switched(self, off: bool) -> None:
        # The shop may not have sent anything yet.
        reply = self.place.change("pause" if off else "resume", shop=self.shop, new_shop=True)
        assert reply.result != "refused", reply.error
        self.model.off = off

    @rule()
    def settles(self) -> None:
        self.place.settle()
        self.model.settle()
        self.compare()
        states = {name: load.state for name, load in self.model.loads.items()}
        assert {name: self.place.state(name, shop=self.shop) for name in states} == states

    @rule()
    def restarts(self) -> None:
        self.place.store = self.place.new_store()
        self.place.settlement = LoadSettlement(self.place.fence, page=1)

    def compare(self) -> None:
        rows = [row for row in self.place.rows("products") if row["shop"] == self.shop]
        assert {row["code"]: (row["version"], row["event_id"], row["deleted"]) for row in rows} == self.model.rows
        missed = self.place.views.rows(MissedFilter(shop=self.shop), 1000)
        assert {row["key"]["code"]: row["version"] for row in missed} == self.model.missed

    def teardown(self) -> None:
        """Leave nothing to settle to the next example."""
        self.place.change("resume", shop=self.shop, new_shop=True)
        decisions = LoadDecisions(self.place.fence)
        for row in self.place.views.rows(LoadFilter(shop=self.shop)):
            if row["ended_at"] is None:
                entry = AuditEntry("load-cancel", AuditContext("test", "http"), self.shop, "products", row["load_id"])
                decisions.cancel(entry, (self.shop, "products"), row["load_id"])
        self.place.settle()
