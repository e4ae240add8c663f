"""What becomes of an event as a whole; what each value may be is in the contract samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import parse_event
from schemas.reasons import Refused
from tests.support.event_samples import SAMPLES, refusal_of, sample_event


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (sample_event("stock").replace(b"P1", b"P\xff"), "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b" " * (1024 * 1024 + 1), "too_large"),
    ],
)
def test_what_no_text_file_can_hold_is_refused_by_name(body: bytes, reason: str) -> None:
    assert refusal_of("stock", body).reason == reason


def test_without_a_sequence_the_time_in_microseconds_is_the_version() -> None:
    assert parse_event("stock", "main", sample_event("stock", envelope={"sequence": None})).version == 1795418571123456


def test_one_key_has_one_form_however_it_is_written() -> None:
    one = parse_event("prices", "main", sample_event("prices", min_qty="1.000", valid_from="1969-12-31T21:00:00-03:00"))
    assert one.key == parse_event("prices", "main", sample_event("prices")).key


def test_unknown_fields_are_ignored_and_counted() -> None:
    body = sample_event("stock", envelope={"mine": "x", "traceparent": "x"}, colour="blue")
    fields = [(field.pointer, field.label) for field in parse_event("stock", "main", body).unknown]
    assert fields == [("/mine", "ce-mine"), ("/data/colour", "colour")]


@given(st.binary(max_size=200))
def test_no_bytes_give_anything_but_an_event_or_a_refusal(body: bytes) -> None:
    with pytest.raises(Refused):
        parse_event("stock", "main", body)


@given(
    st.sampled_from(sorted(SAMPLES["stock"][1])),
    st.text(min_size=20).filter(lambda text: "\0" in text or len(text) > 15),
)
def test_a_refusal_never_repeats_a_value(field: str, value: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_event("stock", "main", sample_event("stock", **{field: value + "\0"}))
    assert value not in str(refused.value)
