"""Whatever comes, parsing gives an event or a refusal, and a refusal never repeats a value."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.control import ControlMessage, parse_control
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, parse_event
from schemas.reasons import Refused
from tests.support.event_samples import FULL, sample_event

MARK = "ZQ7MARKZQ7"
Path = tuple[str | int, ...]

domains = st.sampled_from(sorted(DOMAINS))
names = st.sampled_from(["plain", "exact", "[key]", "data", "type", "erp.stock.changed.v1", "", "a\0b", "🫘"])
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1", "1E+999999", "NaN", "0", "2026-11-23T07:22:51Z", "x" * 300, "\0", "52998224725"])
)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner, max_size=3)
)


def whole(domain: str) -> dict[str, Any]:
    """A valid event with every field, as an object."""
    return dict(json.loads(sample_event(domain, **FULL[domain])))


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every value inside an object."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*path, name)
        yield from places(each, (*path, name))


def put(document: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy of an object with one value replaced."""
    document = copy.deepcopy(document)
    holder: Any = document
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    return document


def tried(parse: Callable[[bytes], Any], body: bytes) -> Any:
    """What a body was parsed to, or why it was refused; anything else raises."""
    try:
        return parse(body)
    except Refused as refused:
        return refused


def check_event(domain: str, body: bytes) -> None:
    found = tried(lambda text: parse_event(domain, "main", text), body)
    assert isinstance(found, ChangeEvent | Refused)
    if isinstance(found, Refused):
        assert len(found.refusal.sentence) < 200
        assert found.refusal.pointer.isprintable()


def check_silent(parse: Callable[[bytes], Any], body: bytes) -> None:
    found = tried(parse, body)
    if isinstance(found, Refused):
        assert MARK not in str(found) + repr(found)
        assert found.__cause__ is None
        assert found.__suppress_context__


@given(st.data())
def test_a_value_put_anywhere_gives_an_event_or_a_refusal(data: st.DataObject) -> None:
    domain = data.draw(domains)
    document = whole(domain)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(places(document), key=repr)))
        document = put(document, path, data.draw(anything))
    check_event(domain, json.dumps(document).encode())


@given(domains, st.dictionaries(names, anything, max_size=4), st.sampled_from(["", "data"]))
def test_members_that_nobody_knows_give_an_event_or_a_refusal(domain: str, members: dict[str, Any], place: str) -> None:
    document = whole(domain)
    (document["data"] if place else document).update(members)
    check_event(domain, json.dumps(document).encode())


@given(domains, st.integers(0, 10_000), st.binary(max_size=8), st.integers(0, 8))
def test_bytes_put_into_an_event_give_an_event_or_a_refusal(domain: str, at: int, new: bytes, cut: int) -> None:
    body = sample_event(domain, **FULL[domain])
    at %= len(body)
    check_event(domain, body[:at] + new + body[at + cut :])


@given(anything)
def test_any_json_gives_a_control_message_or_a_refusal(document: Any) -> None:
    assert isinstance(tried(parse_control, json.dumps(document).encode()), ControlMessage | Refused)


@given(names, anything)
def test_a_field_that_nobody_knows_is_refused_in_a_control_message(name: str, value: Any) -> None:
    found = tried(parse_control, json.dumps({"reason": "test", name: value}).encode())
    assert isinstance(found, Refused)
    assert found.refusal.pointer.isprintable()


marked = st.sampled_from(
    [MARK, MARK + "\0", MARK * 60, [MARK], {"x": MARK}, [[MARK]], f"1E+{MARK}", f"http://{MARK}/\0", {"x": [MARK, 1]}]
)


@given(st.data())
def test_no_refusal_of_an_event_repeats_a_value(data: st.DataObject) -> None:
    domain = data.draw(domains)
    document = whole(domain)
    paths = [path for path in places(document) if path != ("data",)]
    for path in data.draw(st.lists(st.sampled_from(sorted(paths, key=repr)), min_size=1, max_size=3)):
        try:
            document = put(document, path, data.draw(marked))
        except (KeyError, TypeError, IndexError):
            continue  # An earlier mark stands where this way led through.
    check_silent(lambda body: parse_event(domain, "main", body), json.dumps(document).encode())


@given(st.sampled_from(["reason", "shop", "domains", "by", "until", "issued_at"]), marked)
def test_no_refusal_of_a_control_message_repeats_a_value(field: str, value: Any) -> None:
    check_silent(parse_control, json.dumps({"reason": "test", field: value}).encode())


@given(st.integers(1, 400))
def test_no_refusal_of_broken_json_repeats_a_value(length: int) -> None:
    body = sample_event("stock", unit=MARK, branch=MARK)
    check_silent(lambda text: parse_event("stock", "main", text), body[: min(length, len(body) - 1)] + b"\xff")
