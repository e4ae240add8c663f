"""Whatever the pieces in which bytes come, and whatever they say, we make of them what py-amqp makes of them."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from amqp import spec
from amqp.exceptions import UnexpectedFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.connection import BrokerLost
from broker.frames import Frames
from broker.properties import UNREADABLE
from tests.support.amqp_frames import CHANNELS, delivery_frames, frame, method_frame, read_by_comporta, read_by_py_amqp

_TEXT = st.text(max_size=40)
_HEADERS: dict[str, Any] = {
    "text": "é",
    "bytes": b"\xff\x00",
    "number": 2**40,
    "decimal": Decimal("1.5"),
    "time": datetime(2026, 11, 23, 7, 22, 51, tzinfo=UTC),
    "table": {"list": [1, None, True, {"deep": 0.5}]},
}
_EVERYTHING: dict[str, Any] = {
    "content_type": "application/cloudevents+json",
    "content_encoding": "utf-8",
    "application_headers": _HEADERS,
    "delivery_mode": 2,
    "priority": 9,
    "correlation_id": "c",
    "reply_to": "r",
    "expiration": "60000",
    "message_id": "m" * 255,
    "timestamp": 2**40,
    "type": "t",
    "user_id": "u",
    "app_id": "\u2028",
    "cluster_id": "x",
}
_BLOCKED = method_frame(0, spec.Connection.Blocked, "s", "memory")
_HEARTBEAT = frame(8, 0, b"")
_USUAL = {"content_type": "application/cloudevents+json", "delivery_mode": 2}
# As RabbitMQ sends them, but for one that closes: what comes behind that nobody reads.
_STREAM = b"".join(
    (
        delivery_frames(1, 1, b'{"id":"1"}', **_USUAL),
        delivery_frames(1, 2, b'{"id":"2"}', redelivered=True, **_USUAL),
        _HEARTBEAT,
        delivery_frames(2, 1, b"", **_USUAL),
        delivery_frames(2, 2, b"two", routing_key="loja-1.prices", exchange="", **_EVERYTHING),
        _BLOCKED,
        delivery_frames(1, 3, b"in several frames", frame_max=24, **_USUAL),
        delivery_frames(3, 1, b"for nobody", consumer="unknown"),
        delivery_frames(1, 2**63, b"x" * 70),
        method_frame(1, spec.Basic.Cancel, "sb", "comporta.stock", False),
        delivery_frames(1, 2**63 + 1, b"cancelled, but on its way"),
        method_frame(0, spec.Connection.Unblocked, ""),
        delivery_frames(2, 3, b"{}", **_USUAL),
    )
)


def _deliveries() -> st.SearchStrategy[bytes]:
    properties = st.fixed_dictionaries({}, optional={name: st.just(value) for name, value in _EVERYTHING.items()})
    return st.builds(
        lambda properties, arguments: delivery_frames(**arguments, **properties),
        properties,
        st.fixed_dictionaries(
            {
                "channel": st.sampled_from(CHANNELS),
                "tag": st.integers(1, 2**64 - 1),
                "body": st.binary(max_size=200),
                "consumer": st.sampled_from(["comporta.stock", "comporta.stock", "unknown"]),
                "redelivered": st.booleans(),
                "exchange": _TEXT,
                "routing_key": _TEXT,
                "frame_max": st.sampled_from([131_072, 131_072, 100, 30]),
            }
        ),
    )


def _frames(stream: bytes) -> list[bytes]:
    found = []
    while stream:
        [size] = struct.unpack_from(">I", stream, 3)
        found.append(stream[: size + 8])
        stream = stream[size + 8 :]
    return found


@st.composite
def _streams(draw: st.DrawFn) -> bytes:
    """Deliveries of several channels, their frames between each other's, with methods and heartbeats in between."""
    of_channel: dict[int, list[bytes]] = {number: [] for number in CHANNELS}
    for delivery in draw(st.lists(_deliveries(), max_size=8)):
        of_channel[delivery[2]] += _frames(delivery)
    others = draw(st.lists(st.sampled_from([_BLOCKED, _HEARTBEAT]), max_size=4))
    # Whole deliveries mostly come together: a long stretch of one channel before the next.
    waiting = [frames for frames in [*of_channel.values(), others] if frames]
    stream = b""
    while waiting:
        frames = draw(st.sampled_from(waiting))
        count = draw(st.sampled_from([1, 3, 30]))
        stream += b"".join(frames[:count])
        del frames[:count]
        waiting = [frames for frames in waiting if frames]
    return stream


def _pieces(stream: bytes, places: Sequence[int]) -> list[bytes]:
    cuts = [0, *sorted({place % (len(stream) + 1) for place in places}), len(stream)]
    return [stream[start:end] for start, end in pairwise(cuts)]


def _agree(stream: bytes, *pieces: bytes) -> None:
    theirs, ours = read_by_py_amqp(stream), read_by_comporta(*(pieces or (stream,)))
    assert ours.events == theirs.events
    assert (ours.sent, ours.counted) == (theirs.sent, theirs.counted)
    assert str(ours.error) == str(theirs.error)


def test_deliveries_go_past_py_amqp_and_everything_else_through_it() -> None:
    made = read_by_comporta(_STREAM)
    assert [event[0] for event in made.events] == [
        *["delivery"] * 4,
        "blocked",
        *["delivery"] * 2,
        "cancel",
        "delivery",
    ]
    assert made.events[3][2:5] == (2, b"two", "loja-1.prices")
    assert made.events[3][6].keys() == _EVERYTHING.keys()
    _agree(_STREAM)


def test_a_stream_may_be_cut_anywhere() -> None:
    for place in range(1, len(_STREAM)):
        _agree(_STREAM, _STREAM[:place], _STREAM[place:])


def test_a_stream_may_come_byte_by_byte() -> None:
    _agree(_STREAM, *(bytes([byte]) for byte in _STREAM))


@settings(max_examples=150, deadline=None)
@given(_streams(), st.lists(st.integers(0), max_size=5))
def test_any_stream_in_any_pieces_is_read_as_py_amqp_reads_it_whole(stream: bytes, places: list[int]) -> None:
    _agree(stream, *_pieces(stream, places))


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 400_000, 3_000_000])
def test_a_body_of_any_size_is_whole(size: int) -> None:
    body = random.Random(size).randbytes(size)
    stream = (
        delivery_frames(1, 1, b"before", **_USUAL)
        + delivery_frames(1, 2, body, **_USUAL)
        + delivery_frames(1, 3, b"after")
    )
    _agree(stream, *(stream[start : start + 50_000] for start in range(0, len(stream), 50_000)))
    assert [event[3] for event in read_by_comporta(stream).events] == [b"before", body, b"after"]


def test_a_delivery_in_the_middle_of_another_is_refused_and_not_taken() -> None:
    first, second = _frames(delivery_frames(1, 1, b"one")), delivery_frames(1, 2, b"two")
    made = read_by_comporta(first[0] + second + b"".join(first[1:]))
    assert made.events == []
    assert isinstance(made.error, BrokerLost)


def test_what_comes_for_a_channel_that_is_being_closed_is_left_out() -> None:
    stream = delivery_frames(1, 1, b"late", **_USUAL) + _BLOCKED
    assert read_by_comporta(stream, closing=True).events == read_by_py_amqp(stream, closing=True).events
    assert [event[0] for event in read_by_comporta(stream, closing=True).events] == ["blocked"]


def test_the_end_of_the_connection_is_told_after_what_came_before_it() -> None:
    close = method_frame(0, spec.Connection.Close, "BsBB", 320, "CONNECTION_FORCED - going down", 0, 0)
    _agree(delivery_frames(1, 1, b"last", **_USUAL) + close + delivery_frames(1, 2, b"never"))
    made = read_by_comporta(delivery_frames(1, 1, b"last", **_USUAL) + close)
    assert [event[3] for event in made.events] == [b"last"]
    assert "going down" in str(made.error)


def test_a_length_that_no_frame_can_have_is_not_waited_for() -> None:
    made = read_by_comporta(delivery_frames(1, 1, b"one") + struct.pack(">BHI", 3, 1, 2**32 - 1) + b"x" * 1000)
    assert [event[3] for event in made.events] == [b"one"]
    assert isinstance(made.error, BrokerLost)


def test_equal_properties_are_decoded_once_and_can_not_be_changed() -> None:
    found: list[Any] = []
    frames = Frames(131_072)
    frames.feed(b"".join(delivery_frames(1, number, b"{}", **_USUAL) for number in range(3)))
    assert frames.take_run(lambda *_: lambda *parts: found.append(parts[-1])) == 9
    assert found[0] is found[1] is found[2]
    with pytest.raises(TypeError):
        found[0]["content_type"] = "text/plain"


@pytest.mark.parametrize("body", [b"", b"{}"])
@pytest.mark.parametrize("properties", [{}, _USUAL, {"app_id": "a", "application_headers": {"a": 1}}])
def test_any_wrong_byte_is_read_as_py_amqp_reads_it_or_ends_the_connection(
    body: bytes, properties: dict[str, Any]
) -> None:
    before, after = delivery_frames(1, 1, b"before", **_USUAL), delivery_frames(2, 1, b"after", **_USUAL)
    stream = delivery_frames(1, 2, body, **properties)
    for place, byte in enumerate(stream):
        for wrong in {0, 1, 2, 3, 8, 60, 206, 255, byte ^ 1, byte ^ 2, byte - 1 & 255}:
            _same_or_refused(before + stream[:place] + bytes([wrong]) + stream[place + 1 :] + after)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_read_as_py_amqp_reads_it_or_ends_the_connection(noise: bytes) -> None:
    _same_or_refused(noise)
    _same_or_refused(_STREAM[:200] + noise)


@settings(max_examples=300, deadline=None)
@given(_streams(), st.data())
def test_a_garbled_stream_is_read_as_py_amqp_reads_it_or_ends_the_connection(
    stream: bytes, data: st.DataObject
) -> None:
    garbled = bytearray(stream or _STREAM)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(garbled) - 1))
        how = data.draw(st.sampled_from(["change", "add", "leave out"]))
        if how == "change":
            garbled[place] = data.draw(st.sampled_from([0, 1, 2, 3, 8, 60, 206, 255, garbled[place] ^ 1]))
        elif how == "add":
            garbled[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        elif len(garbled) > 1:
            del garbled[place]
    _same_or_refused(bytes(garbled))


def _same_or_refused(stream: bytes) -> None:
    theirs, ours = read_by_py_amqp(stream), read_by_comporta(stream)
    assert ours.error is None or isinstance(ours.error, BrokerLost)
    both = min(len(theirs.events), len(ours.events))
    assert ours.events[:both] == theirs.events[:both]
    if len(ours.events) < len(theirs.events):
        assert ours.error is not None
    elif len(ours.events) > len(theirs.events):
        # Text that is no UTF-8, and the like, we make readable. What is no frame in its place is none for us either.
        assert theirs.error is not None
        reason = theirs.error.__cause__ or theirs.error
        assert isinstance(reason, UNREADABLE)
        assert not isinstance(reason, UnexpectedFrame)
