"""What a publisher wrote is made readable where py-amqp fails on it, and is otherwise left as it is."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from amqp.exceptions import UnexpectedFrame
from amqp.serialization import loads
from hypothesis import given
from hypothesis import strategies as st

from broker.properties import UNREADABLE, UNREADABLE_HEADERS, UNREADABLE_REST, decode_properties, readable
from tests.support.amqp_frames import delivery_frames, read_by_comporta, read_by_py_amqp

_DELIVER = b"\x00\x3c\x00\x3c"
_BEFORE_PROPERTIES = struct.pack(">HHQ", 60, 0, 2)


def _short(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def _table(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _properties(payload: bytes) -> dict[str, Any]:
    return decode_properties(readable(2, payload)[12:])


_NESTED = b""
for _ in range(5_000):
    _NESTED = _short(b"") + b"F" + _table(_NESTED)

_TIME = b"T" + struct.pack(">Q", 1_795_000_000_000_000)
BAD_TABLES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "milliseconds": (_short(b"at") + _TIME, {UNREADABLE_HEADERS: {"at": _TIME}}),
    "a name and a time": (_short(b"\xff") + _TIME, {UNREADABLE_HEADERS: {"\ufffd": _TIME}}),
    "a time in a table": (
        _short(b"in") + b"F" + _table(_short(b"at") + _TIME),
        {UNREADABLE_HEADERS: {"in": b"F" + _table(_short(b"at") + _TIME)}},
    ),
    "an unknown type": (_short(b"a") + b"?", {UNREADABLE_REST: _short(b"a") + b"?"}),
    "text that is cut off": (_short(b"a") + b"I\x00", {UNREADABLE_REST: _short(b"a") + b"I\x00"}),
    "tables in tables": (_NESTED, {UNREADABLE_HEADERS: {"": _NESTED[1:]}}),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_headers_that_can_not_be_read_are_kept_as_octets_and_what_stands_beside_them_is_kept(name: str) -> None:
    bad, kept = BAD_TABLES[name]
    beside = _short(b"tenant") + b"S" + _table(b"7") + _short(b"odd") + b"x" + _table(b"abc")
    raw = struct.pack(">H", 0xA080) + _short(b"text/plain") + _table(beside + bad) + _short(b"m1")
    with pytest.raises(UNREADABLE):
        decode_properties(raw)
    found = _properties(_BEFORE_PROPERTIES + raw)
    assert found == {
        "content_type": "text/plain",
        "application_headers": {"tenant": "7", "odd": b"abc", **kept},
        "message_id": "m1",
    }


def test_text_that_is_no_utf8_gets_replacement_characters_and_still_fits() -> None:
    raw = struct.pack(">H", 0xC000) + _short(b"\xff" * 255) + _short(b"utf-8")
    found = _properties(_BEFORE_PROPERTIES + raw)
    assert found == {"content_type": "\ufffd" * 85, "content_encoding": "utf-8"}


def test_names_in_a_delivery_get_them_too() -> None:
    payload = _DELIVER + _short(b"c") + struct.pack(">QB", 7, 1) + _short(b"\xfe") + _short(b"\xff.stock")
    found, _ = loads("sLbss", readable(1, payload), 4)
    assert found == ["c", 7, True, "\ufffd", "\ufffd.stock"]


@pytest.mark.parametrize("payload", [_DELIVER, _DELIVER + b"\x05ab", _DELIVER + _short(b"c") + b"\x00" * 8])
def test_a_delivery_that_is_cut_off_is_a_fault_of_the_connection(payload: bytes) -> None:
    with pytest.raises(UnexpectedFrame):
        readable(1, payload)


def test_properties_that_are_cut_off_are_a_fault_of_the_connection() -> None:
    with pytest.raises(UnexpectedFrame):
        readable(2, _BEFORE_PROPERTIES + struct.pack(">H", 0x1000))


@given(st.sampled_from([1, 2, 3, 8]), st.binary(max_size=60))
def test_what_can_be_read_is_left_as_it_is(kind: int, payload: bytes) -> None:
    try:
        made = readable(kind, payload)
    except UnexpectedFrame:
        return
    assert readable(kind, made) == made


@pytest.mark.parametrize("size", [2, 200_000])
def test_a_message_with_unreadable_headers_comes_between_its_neighbours(size: int) -> None:
    good = delivery_frames(1, 2, b"x" * size, application_headers={"at": 2**40})
    # A whole number becomes a time that no calendar has.
    bad = good.replace(b"\x02atL" + struct.pack(">q", 2**40), b"\x02atT" + struct.pack(">Q", 2**63))
    assert bad != good
    stream = delivery_frames(1, 1, b"before") + bad + delivery_frames(1, 3, b"after")
    assert len(read_by_py_amqp(stream).events) == 1
    made = read_by_comporta(stream)
    assert [event[2] for event in made.events] == [1, 2, 3]
    assert made.events[1][3] == b"x" * size
    raw = b"T" + struct.pack(">Q", 2**63)
    assert made.events[1][6] == {"application_headers": {UNREADABLE_HEADERS: {"at": raw}}}
    assert made.error is None
