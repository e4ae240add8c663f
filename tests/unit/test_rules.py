"""Switches and outcomes are decided by pure rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.outcomes import plan_batch, sort_batch
from rules.plans import begin, decide_command, planned_pauses
from rules.switches import Plan, Switch, Switches, decide, expire
from rules.versions import VersionRules
from schemas.control import Command, ControlMessage
from schemas.events import ChangeEvent
from schemas.stock import StockKey

NOW = datetime(2026, 11, 23, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


def switch(shop: str = "*", domain: str = "*", *, off: bool = True, until: datetime | None = None) -> Switch:
    return Switch(shop, domain, off, "why", "who", NOW - HOUR, until, 3, NOW - HOUR)


def state(*switches: Switch) -> Switches:
    return Switches(3, NOW, {each.scope: each for each in switches})


def command(action: Any, issued_at: datetime | None = None, **fields: Any) -> Command:
    said = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}
    message = ControlMessage.model_validate({"reason": "test", **said})
    return Command(action, message, "amqp", issued_at=issued_at)


def event(key: str, version: int, event_id: str = "a", shop: str = "main") -> ChangeEvent:
    data = StockKey(product_code=key, branch="1", warehouse="1")
    return ChangeEvent("stock", shop, (key, "1", "1", ""), version, event_id, None, True, data, ())


scopes = st.tuples(st.sampled_from(["*", "a", "b"]), st.sampled_from(["*", "stock", "prices"]))


@given(st.dictionaries(scopes, st.booleans()), st.sampled_from("ab"), st.sampled_from(["stock", "prices"]))
def test_anything_is_stopped_when_any_switch_over_it_is_off(offs: dict[Any, bool], shop: str, domain: str) -> None:
    switches = state(*(switch(*scope, off=off) for scope, off in offs.items()))
    over = [off for (s, d), off in offs.items() if s in ("*", shop) and d in ("*", domain)]
    assert switches.stops(shop, domain) == any(over)


def test_a_pause_turns_off_and_counts_the_epoch() -> None:
    decision = decide(command("pause"), state(), repeated=False)
    assert (decision.result, decision.changes[0].epoch, decision.changes[0].since) == ("off", 4, NOW)


def test_a_second_pause_keeps_since_and_changes_nothing() -> None:
    assert decide(command("pause"), state(switch()), repeated=False).changes == ()


@pytest.mark.parametrize("end", [NOW + HOUR, None])
def test_a_second_pause_that_names_no_end_leaves_the_first_one_alone(end: datetime | None) -> None:
    decision = decide(command("pause"), state(switch(until=end)), repeated=False)
    assert (decision.result, decision.changes, decision.ends) == ("unchanged", (), ())


@pytest.mark.parametrize(
    ("first", "second"),
    [(NOW + HOUR, NOW + 2 * HOUR), (NOW + 2 * HOUR, NOW + HOUR), (NOW + HOUR, None), (None, NOW + HOUR)],
)
def test_a_second_pause_that_names_an_end_changes_the_end_alone(
    first: datetime | None, second: datetime | None
) -> None:
    decision = decide(command("pause", until=second, by="ana"), state(switch(until=first)), repeated=False)
    [new] = decision.changes
    assert decision.result == "unchanged"
    assert (new.until, new.since, new.by, new.reason, new.epoch) == (second, NOW - HOUR, "who", "why", 4)
    assert (new.until_before, new.until_by, new.until_at) == (first, "ana", NOW)
    assert [(end.old, end.new) for end in decision.ends] == [(first, second)]


def test_the_same_end_again_changes_nothing() -> None:
    again = command("pause", until=NOW + HOUR)
    assert decide(again, state(switch(until=NOW + HOUR)), repeated=False).changes == ()


def test_a_replacement_takes_reason_author_and_end_and_keeps_the_beginning() -> None:
    again = command("pause", replace=True, by="ana")
    decision = decide(again, state(switch(until=NOW + HOUR)), repeated=False)
    [new] = decision.changes
    assert decision.result == "unchanged"
    assert (new.reason, new.by, new.until, new.since) == ("test", "ana", None, NOW - HOUR)
    assert [(end.old, end.new) for end in decision.ends] == [(NOW + HOUR, None)]


def test_a_pause_of_more_than_is_off_sets_its_end_where_it_is_new_alone() -> None:
    before = state(switch(domain="stock", until=NOW + HOUR))
    decision = decide(command("pause", domains=["stock", "prices"]), before, repeated=False)
    assert decision.result == "off"
    assert [(each.domain, each.until) for each in decision.changes] == [("prices", None)]


@pytest.mark.parametrize(("seen", "result"), [(2, "refused"), (3, "unchanged"), (None, "unchanged")])
def test_a_switch_that_changed_after_the_operator_saw_it_is_left_alone(seen: int | None, result: str) -> None:
    stale = replace(command("pause", until=None), seen_epoch=seen)
    assert decide(stale, state(switch(until=NOW + HOUR)), repeated=False).result == result


def test_a_resume_of_everything_leaves_a_shops_own_switch_and_names_it() -> None:
    before = state(switch(), switch("a"))
    decision = decide(command("resume"), before, repeated=False)
    after = before.changed(decision.changes)
    assert decision.result == "on"
    assert [(each.shop, each.domain) for each in after.still_off([("*", "*")])] == [("a", "*")]


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (command("resume", issued_at=NOW - 2 * HOUR), "stale"),
        (command("pause", until=NOW), "expired"),
    ],
)
def test_what_comes_too_late_is_refused(asked: Command, word: str) -> None:
    decision = decide(asked, state(switch()), repeated=False)
    assert decision.result == "refused"
    assert str(decision.error).startswith(f"{word}: ")


def test_a_repeat_changes_nothing() -> None:
    assert decide(command("pause"), state(), repeated=True).result == "unchanged"


def test_a_pause_past_its_end_stops_nothing_and_is_ended_once() -> None:
    before = state(switch(until=NOW))
    assert not before.stops("main", "stock")
    after = before.changed(expire(before))
    assert after.epoch == 4
    assert expire(after) == ()


batches = st.lists(
    st.builds(
        event, st.sampled_from("xyz"), st.integers(0, 3), st.sampled_from(["a", "á", "b"]), st.sampled_from("mn")
    ),
    max_size=12,
)


@given(batches, st.frozensets(st.sampled_from("mn")))
def test_every_event_of_a_batch_has_one_outcome_and_each_key_one_winner(
    batch: list[ChangeEvent], off: frozenset[str]
) -> None:
    plan = plan_batch(sort_batch(batch), lambda shop, _domain: shop in off, VersionRules({}, 0))
    winners = list(plan.apply.get("stock", []))
    assert sum(plan.tally.values()) == len(batch)
    chosen = winners + plan.discard.get("stock", [])
    newest = {(e.shop, e.key): (e.version, e.event_id) for e in sorted(batch, key=lambda e: (e.version, e.event_id))}
    assert {(e.shop, e.key): (e.version, e.event_id) for e in chosen} == newest
    assert len(chosen) == len(newest)


def test_the_order_of_deliveries_does_not_matter() -> None:
    events = [event("x", 1), event("x", 2, "a"), event("x", 2, "b"), event("y", 1)]
    plans = [
        plan_batch(sort_batch(order), lambda _shop, _domain: False, VersionRules({}, 0)).apply
        for order in permutations(events)
    ]
    assert all(plan == plans[0] for plan in plans)


def planned(begins: datetime, until: datetime | None = None) -> Plan:
    return Plan(begins, until, "planned", "ana")


def test_a_pause_from_later_on_is_planned_and_turns_nothing_yet() -> None:
    before = state(switch(off=False))
    decision = decide_command(command("pause", **{"from": NOW + HOUR}, by="ana"), before, repeated=False)
    after = before.changed(decision.changes)
    assert (decision.result, after.epoch, after.off, after.overdue) == ("planned", 3, [], False)
    assert [(plan.begins, plan.until, plan.by) for plan in planned_pauses(after)] == [(NOW + HOUR, None, "ana")]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (command("resume", **{"from": NOW + HOUR}), "from belongs to a pause"),
        (command("pause", **{"from": NOW + HOUR}, until=NOW + HOUR), "must lie after from"),
        (command("pause", **{"from": NOW + HOUR}, until=NOW), "expired"),
        (command("pause", **{"from": NOW + 2 * HOUR}), "is planned from"),
    ],
)
def test_a_plan_that_can_not_be_is_refused(asked: Command, says: str) -> None:
    before = state(replace(switch(off=False), plan=planned(NOW + HOUR)))
    decision = decide_command(asked, before, repeated=False)
    assert decision.result == "refused"
    assert says in str(decision.error)


def test_a_pause_from_a_moment_that_has_passed_begins_at_once() -> None:
    assert decide_command(command("pause", **{"from": NOW - HOUR}), state(), repeated=False).result == "off"


def test_a_plan_begins_when_its_time_comes_once() -> None:
    before = state(replace(switch(off=False), plan=planned(NOW, NOW + HOUR)))
    assert before.overdue
    after = before.changed(begin(before))
    [off] = after.off
    assert (off.reason, off.by, off.since, off.until, off.epoch) == ("planned", "ana", NOW, NOW + HOUR, 4)
    assert begin(after) == ()
    assert not after.overdue


@pytest.mark.parametrize(
    ("end", "plan_end", "then"),
    [
        (NOW + HOUR, NOW + 2 * HOUR, NOW + 2 * HOUR),
        (NOW + 2 * HOUR, NOW + HOUR, NOW + 2 * HOUR),
        (None, NOW + HOUR, None),
        (NOW + HOUR, None, None),
    ],
)
def test_a_plan_that_begins_during_a_pause_holds_until_the_later_end(
    end: datetime | None, plan_end: datetime | None, then: datetime | None
) -> None:
    before = state(replace(switch(until=end), plan=planned(NOW, plan_end)))
    [off] = before.changed(begin(before)).off
    assert (off.until, off.since, off.by, off.plan) == (then, NOW - HOUR, "who", None)


def test_a_plan_whose_end_has_passed_is_dropped() -> None:
    before = state(replace(switch(off=False), plan=planned(NOW - HOUR, NOW)))
    after = before.changed(begin(before))
    assert (after.off, after.epoch, planned_pauses(after)) == ([], 3, [])


def test_a_resume_ends_the_pause_and_a_second_one_drops_the_plan() -> None:
    before = state(replace(switch(), plan=planned(NOW + HOUR)))
    first = decide_command(command("resume"), before, repeated=False)
    on = before.changed(first.changes)
    assert (first.result, on.off, len(planned_pauses(on))) == ("on", [], 1)
    second = decide_command(command("resume"), on, repeated=False)
    assert (second.result, planned_pauses(on.changed(second.changes))) == ("on", [])


def weekly(begins: datetime) -> Plan:
    return replace(planned(begins, begins + HOUR), weekly=True)


@pytest.mark.parametrize("weeks", [0, 1, 5])
def test_a_weekly_plan_stays_for_the_first_week_that_has_not_begun(weeks: int) -> None:
    week = timedelta(days=7)
    before = state(replace(switch(off=False), plan=weekly(NOW - weeks * week)))
    after = before.changed(begin(before))
    assert [each.until for each in after.off] == ([NOW + HOUR] if weeks == 0 else [])
    assert [(plan.begins, plan.until) for plan in planned_pauses(after)] == [(NOW + week, NOW + week + HOUR)]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"from": NOW - HOUR, "until": NOW + HOUR},
        {"from": NOW + HOUR},
        {"from": NOW + HOUR, "until": NOW + HOUR + timedelta(days=7)},
    ],
)
def test_a_weekly_pause_needs_a_beginning_and_an_end_within_the_week(fields: dict[str, Any]) -> None:
    decision = decide_command(command("pause", weekly=True, **fields), state(), repeated=False)
    assert decision.result == "refused"
    assert str(decision.error).startswith("invalid: ")
