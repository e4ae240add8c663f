"""Frames of published messages, against those of pika; confirms taken from received bytes."""

from __future__ import annotations

from itertools import pairwise

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame
from pika.exceptions import ShortStringTooLong, UnsupportedAMQPFieldException

from producers.messages import OutgoingMessage
from producers.publish_frames import message_frames, take_acks

CHANNEL = 1
SHORT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
HEADERS = st.none() | st.dictionaries(SHORT.filter(bool), st.integers(-(2**31), 2**31 - 1) | SHORT, max_size=3)
MESSAGES = st.builds(OutgoingMessage, SHORT, SHORT, st.binary(max_size=40), SHORT, SHORT, HEADERS, st.booleans())


def frames_of(data: bytes) -> list[frame.Frame]:
    """Return the frames that pika reads in bytes, each to its end."""
    frames = []
    while data:
        consumed, each = frame.decode_frame(data)
        assert isinstance(each, frame.Frame)
        frames.append(each)
        data = data[consumed:]
    return frames


@given(message=MESSAGES, most_body=st.integers(1, 50))
def test_pika_reads_the_message_that_was_written(message: OutgoingMessage, most_body: int) -> None:
    method, header, *parts = frames_of(message_frames(CHANNEL, message, most_body))
    assert isinstance(method, frame.Method)
    assert isinstance(header, frame.Header)
    published, properties = method.method, header.properties
    assert (published.exchange, published.routing_key, published.mandatory, published.immediate) == (
        message.exchange,
        message.routing_key,
        message.mandatory,
        False,
    )
    assert (properties.content_type, properties.message_id, properties.delivery_mode) == (
        message.content_type,
        message.message_id,
        2,
    )
    assert (properties.headers or None) == (message.headers or None)
    assert {name for name, value in vars(properties).items() if value is not None} <= {
        "content_type",
        "message_id",
        "delivery_mode",
        "headers",
        "timestamp",
    }
    assert header.body_size == len(message.body)
    assert b"".join(part.fragment for part in parts if isinstance(part, frame.Body)) == message.body
    assert all(0 < len(part.fragment) <= most_body for part in parts if isinstance(part, frame.Body))
    assert {each.channel_number for each in (method, header, *parts)} == {CHANNEL}


@pytest.mark.parametrize("field", ["exchange", "routing_key", "message_id", "content_type"])
def test_a_name_that_is_too_long_is_no_amqp_message(field: str) -> None:
    message = OutgoingMessage("x", "k", b"{}", "id")
    message_frames(CHANNEL, message._replace(**{field: "é" * 127}), 100)
    with pytest.raises(ShortStringTooLong):
        message_frames(CHANNEL, message._replace(**{field: "é" * 128}), 100)


def test_a_header_of_no_type_of_amqp_is_no_amqp_message() -> None:
    with pytest.raises(UnsupportedAMQPFieldException):
        message_frames(CHANNEL, OutgoingMessage("x", "k", b"{}", "id", headers={"a": object()}), 100)


OTHERS = st.sampled_from(
    [
        frame.Heartbeat().marshal(),
        frame.Method(CHANNEL, pika.spec.Basic.Nack(7)).marshal(),
        frame.Method(CHANNEL, pika.spec.Basic.Return(312, "NO_ROUTE", "x", "k")).marshal(),
        frame.Method(CHANNEL + 1, pika.spec.Basic.Ack(1)).marshal(),
        b"",
    ]
)


@given(
    acks=st.lists(st.tuples(st.integers(0, 2**63), st.booleans()), max_size=5),
    other=OTHERS,
    later=st.lists(st.integers(1, 9), max_size=2),
    cuts=st.lists(st.integers(0, 200), max_size=4),
)
def test_confirms_are_taken_up_to_the_first_other_frame_however_they_arrive(
    acks: list[tuple[int, bool]], other: bytes, later: list[int], cuts: list[int]
) -> None:
    behind = other + b"".join(_ack(tag, False) for tag in later)
    data = b"".join(_ack(*ack) for ack in acks) + behind
    taken, rest = [], b""
    for start, end in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        more, rest = take_acks(rest + data[start:end], CHANNEL)
        taken += more
    if other:
        assert (taken, rest) == (acks, behind)
    else:
        assert (taken, rest) == (acks + [(tag, False) for tag in later], b"")


def _ack(tag: int, multiple: bool) -> bytes:
    written: bytes = frame.Method(CHANNEL, pika.spec.Basic.Ack(tag, multiple)).marshal()
    return written
