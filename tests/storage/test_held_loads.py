"""Held full loads on SQLite and on PostgreSQL: those that would delete too much wait for an operator."""

from __future__ import annotations

import pytest

from rules.actions import AuditContext, Conflict, CountChanged, NotFound
from rules.outcomes import Outcome
from storage.audit import AuditEntry
from storage.load_decisions import LoadDecisions
from storage.views import AuditFilter, LoadFilter
from tests.support.load_harness import LoadHarness, product


@pytest.mark.parametrize("chunked", [False, True])
def test_a_load_that_would_delete_too_much_is_held_and_deletes_nothing(place: LoadHarness, chunked: bool) -> None:
    place.send(*(product(10, f"{number:03}") for number in range(400)))
    place.begin()
    if chunked:
        place.announce(1, None, ["200"], 169)
    place.send(*(product(10, f"{number:03}", "L", 1 if chunked else None) for number in range(31, 200)))
    place.complete(169, 1 if chunked else None)
    place.settle()
    held = not chunked
    # 15 % of 400 are 60: a chunk of 200 keys that names all but 31 deletes them, a load that names only these does not.
    assert (place.state(), len(place.live())) == (("held", 400) if held else ("completed", 369))


def test_a_load_may_always_delete_fifty_keys(place: LoadHarness) -> None:
    place.send(*(product(10, f"{number:03}") for number in range(51)))
    place.begin()
    place.send(product(10, "000", "L"))
    place.complete(1)
    place.settle()
    assert (place.state(), len(place.live())) == ("completed", 1)
    place.send(*(product(300, f"{number:03}") for number in range(52)))
    place.begin("M", 400)
    place.send(product(300, "000", "M"))
    place.complete(1, load="M")
    place.settle()
    assert (place.state("M"), len(place.live())) == ("held", 52)
    # A newer load makes an end of it.
    place.begin("N", 500)
    place.settle()
    assert place.state("M") == "superseded"


def held(place: LoadHarness, number: int = 100) -> None:
    """Let a load be held that would delete all but one of so many keys."""
    place.send(*(product(10, f"{key:03}") for key in range(number)))
    place.begin()
    place.send(product(10, "000", "L"))
    place.complete(1)
    place.settle()
    assert place.state() == "held"


def test_a_held_load_deletes_once_an_operator_has_said_the_number(place: LoadHarness) -> None:
    held(place)
    decisions, ana = LoadDecisions(place.fence), AuditContext("ana", "http", "seen")
    entry = AuditEntry("load-confirm", ana, "main", "products", "L")
    shown = place.views.load("main", "products", "L")
    assert shown is not None
    assert (shown["would_delete"], len(shown["would_delete_keys"])) == (99, 99)
    with pytest.raises(CountChanged, match="99 now"):
        decisions.confirm(entry, ("main", "products"), "L", 98)
    place.change("pause")
    with pytest.raises(Conflict, match="off"):
        decisions.confirm(entry, ("main", "products"), "L", 99)
    place.change("resume")
    assert decisions.confirm(entry, ("main", "products"), "L", 99) == 99
    place.settle()
    assert (place.state(), place.live()) == ("completed", {"000"})
    last = place.views.rows(AuditFilter())[0]
    said = (last["action"], last["by"], last["shop"], last["domains"], last["subject"], last["count"])
    assert said == ("load-confirm", "ana", "main", ["products"], "L", 99)
    with pytest.raises(Conflict, match="completed"):
        decisions.cancel(entry, ("main", "products"), "L")
    with pytest.raises(NotFound):
        decisions.cancel(entry, ("main", "products"), "M")


def test_a_cancelled_load_deletes_nothing_more(place: LoadHarness) -> None:
    held(place)
    entry = AuditEntry("load-cancel", AuditContext("ana", "http"), "main", "products", "L")
    LoadDecisions(place.fence).cancel(entry, ("main", "products"), "L")
    assert place.begin() == {Outcome.SUPERSEDED: 1}
    place.settle()
    assert (place.state(), len(place.live()), place.remembered_keys()) == ("cancelled", 100, 0)
    [row] = place.views.rows(LoadFilter(shop="main", state="cancelled"))
    assert (row["load_id"], row["count"], row["seen"], row["deleted"]) == ("L", 1, 1, 0)
