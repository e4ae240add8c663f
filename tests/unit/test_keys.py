"""Keys: text that can't be mistaken for another is taken as it is, anything else is refused and never trimmed."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.domains import DOMAINS
from schemas.events import parse_event
from schemas.fields import Column
from schemas.keys import is_key
from schemas.reasons import Reason
from tests.support.event_samples import refusal_of, sample_event

TEXT_KEYS = [
    (domain.name, name, action)
    for domain in DOMAINS.values()
    for name in domain.key_fields
    if domain.columns[name] is Column.TEXT
    for action in ("changed", "deleted")
]
SPACED = [" P", "P ", "\tP", "P\n", "P\u00a0", "\u3000P", "P\u2028"]
DISGUISED = [*SPACED, "P\x1fP", "P\u200dP", "P\u00adP", "P\x7f", "e\u0301"]


@pytest.mark.parametrize(("domain", "name", "action"), TEXT_KEYS)
def test_every_key_field_of_every_event_is_held_to_the_rule(domain: str, name: str, action: str) -> None:
    for value in DISGUISED:
        refusal = refusal_of(domain, sample_event(domain, action=action, **{name: value}))
        assert (refusal.reason, refusal.pointer) == (Reason.KEY_FORMAT, f"/data/{name}"), ascii(value)


@pytest.mark.parametrize(("domain", "name", "action"), TEXT_KEYS)
def test_only_a_key_with_an_empty_default_may_be_empty(domain: str, name: str, action: str) -> None:
    body = sample_event(domain, action=action, **{name: ""})
    if (domain, name) in {("prices", "packaging_code"), ("stock", "lot")}:
        assert "" in parse_event(domain, "main", body).key
    else:
        assert refusal_of(domain, body).reason is Reason.KEY_FORMAT


@pytest.mark.parametrize("value", ["P", "p", "P 1", "CAFÉ", "7891000/1", "日本", "🫘", "-", "Ω", "x" * 255, "🫘" * 255])
def test_a_key_is_kept_letter_by_letter(value: str) -> None:
    assert parse_event("products", "main", sample_event("products", code=value)).key == (value,)


def test_no_character_of_the_forbidden_categories_passes_and_none_of_the_others_is_refused() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        text = f"a{char}b"
        forbidden = unicodedata.category(char) in {"Cc", "Cf", "Cn", "Cs"}
        assert is_key(text) is (not forbidden and unicodedata.is_normalized("NFC", text)), hex(code)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
def test_the_pattern_in_the_parser_and_the_rule_agree(text: str) -> None:
    body = sample_event("products", code=text)
    if is_key(text):
        assert parse_event("products", "main", body).key == (text,)
    else:
        assert refusal_of("products", body).reason in {Reason.KEY_FORMAT, Reason.NUL_CHARACTER}


def test_two_keys_that_are_taken_never_look_alike_but_for_letters() -> None:
    """The composed and the decomposed form of a name are one key, of which only the composed one is taken."""
    composed, decomposed = "CAFÉ", "CAFE\u0301"
    assert unicodedata.normalize("NFC", decomposed) == composed
    assert (is_key(composed), is_key(decomposed)) == (True, False)
