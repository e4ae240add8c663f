"""JSON as RFC 8259 has it and nothing else, in the manner of JSONTestSuite's n_, y_ and i_ cases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events import MAX_BODY, load_json
from schemas.reasons import Reason, Refused

DEEP = 100_000

MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "only a space": b" ",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": b'\xff\xfe{\x00"\x00a\x00"\x00:\x001\x00}\x00',
    "UTF-16 without a mark": '{"a":1}'.encode("utf-16-le"),
    "a byte that is never UTF-8": b'["\xff"]',
    "an overlong form": b'["\xc0\xaf"]',
    "a surrogate in UTF-8": b'["\xed\xa0\x80"]',
    "a cut character": b'["\xe2\x82"]',
    "beyond Unicode": b'["\xf4\x90\x80\x80"]',
    "bad UTF-8 in a name": b'{"\xff":1}',
    "bad UTF-8 outside of strings": b"\xe9",
    "a lone high surrogate": b'["\\ud800"]',
    "a lone low surrogate": b'["\\udc00"]',
    "surrogates the wrong way round": b'["\\udc00\\ud800"]',
    "two high surrogates": b'["\\ud800\\ud800"]',
    "a high surrogate and a letter": b'["\\ud800a"]',
    "a lone surrogate in a name": b'{"\\udfff":1}',
    "a trailing comma in an array": b"[1,]",
    "a trailing comma in an object": b'{"a":1,}',
    "a leading comma": b"[,1]",
    "a double comma": b"[1,,2]",
    "no comma": b"[1 2]",
    "no comma in an object": b'{"a":1 "b":2}',
    "no colon": b'{"a" 1}',
    "a double colon": b'{"a"::1}',
    "no value": b'{"a":}',
    "a name without quotes": b"{a:1}",
    "a number as a name": b"{1:1}",
    "null as a name": b"{null:1}",
    "single quotes": b"{'a':1}",
    "a comment": b'{"a":/**/1}',
    "a line comment": b"{} // end",
    "NaN": b"NaN",
    "NaN in an array": b"[NaN]",
    "Infinity": b"[Infinity]",
    "minus Infinity": b"[-Infinity]",
    "minus NaN": b"[-NaN]",
    "a plus": b"[+1]",
    "a lone minus": b"[-]",
    "a double minus": b"[--1]",
    "minus and a space": b"[- 1]",
    "a leading zero": b"[01]",
    "a negative leading zero": b"[-012]",
    "no digit before the point": b"[.5]",
    "no digit after the point": b"[1.]",
    "no digit after the point, but an exponent": b"[1.e1]",
    "an empty exponent": b"[1e]",
    "an exponent of a sign": b"[1e+]",
    "two points": b"[1.2.3]",
    "hexadecimal": b"[0x1]",
    "underscores": b"[1_000]",
    "full-width digits": "[１]".encode(),
    "more digits than Python reads": b"[" + b"9" * 5_000 + b"]",
    "a number as large as the body": b"9" * 1_000_000,
    "a line break in a string": b'["a\nb"]',
    "a tab in a string": b'["a\tb"]',
    "a NUL in a string": b'["a\x00b"]',
    "an escape character in a string": b'["a\x1bb"]',
    "a control character in a name": b'{"a\x1fb":1}',
    "an unknown escape": b'["\\a"]',
    "a hexadecimal escape": b'["\\x41"]',
    "a short unicode escape": b'["\\u12"]',
    "a unicode escape that is none": b'["\\u12g4"]',
    "a capital unicode escape": b'["\\U0041"]',
    "an escaped end": b'["\\"]',
    "an open string": b'["a',
    "an open array": b"[1",
    "an open object": b'{"a":1',
    "an object without its value": b'{"a":',
    "the wrong bracket": b'{"a":[1}]',
    "a bracket too many": b"[1]]",
    "two values": b"{}{}",
    "something behind": b"{} x",
    "a NUL behind": b"{}\x00",
    "capital letters": b"[True]",
    "half a word": b"[nul]",
    "a word too long": b"[nulls]",
    "no value at all": b"abc",
    "a form feed": b"[\x0c1]",
    "a space that JSON does not know": "\u00a0{}".encode(),
    "many open arrays": b"[" * DEEP,
    "many arrays": b"[" * DEEP + b"]" * DEEP,
    "many objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "arrays and objects in turn": b'[{"a":' * DEEP,
}

TWICE: dict[str, bytes] = {
    "at the top": b'{"a":1,"a":1}',
    "with other names between": b'{"a":1,"b":2,"c":3,"a":4}',
    "one level down": b'{"x":{"a":1,"a":2}}',
    "in an array": b'{"x":[{"a":1},{"a":1,"b":2,"a":3}]}',
    "far down": b'{"x":' * 90 + b'{"a":1,"a":2}' + b"}" * 90,
    "once escaped": b'{"a":1,"\\u0061":2}',
    "empty names": b'{"":1,"":2}',
    "long names": b'{"' + b"n" * 5_000 + b'":1,"' + b"n" * 5_000 + b'":2}',
    "names with a character of two": '{"🫘":1,"\\ud83e\\uded8":2}'.encode(),
}

TAKEN: dict[str, tuple[bytes, Any]] = {
    "white space": (b' \t\r\n{ "a" :\n[ ] }\r\n', {"a": []}),
    "escapes": (b'["\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83e\\uded8"]', ['"\\/\b\f\n\r\té🫘']),
    "an escaped NUL": (b'["\\u0000"]', ["\0"]),
    "delete and separators": ('["\x7f\u2028\ufeff"]'.encode(), ["\x7f\u2028\ufeff"]),
    "numbers": (b"[0,-0.0,1E2,1e-2,9223372036854775808]", [0, -0.0, 100.0, 0.01, 2**63]),
    "a name in two objects": (b'[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
    "one value": (b"null", None),
    "a hundred levels": (b"[" * 100 + b"]" * 100, json.loads("[" * 100 + "]" * 100)),
}


def refusal_of(body: bytes) -> Refused:
    with pytest.raises(Refused) as refused:
        load_json(body)
    assert len(refused.value.refusal.sentence) < 200
    assert refused.value.refusal.sentence.isprintable()
    return refused.value


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in MALFORMED.items()])
def test_what_is_not_json_is_refused_in_a_sentence(body: bytes) -> None:
    assert refusal_of(body).refusal.reason is Reason.MALFORMED_JSON


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in TWICE.items()])
def test_an_object_that_names_a_key_twice_is_refused(body: bytes) -> None:
    assert refusal_of(body).refusal.reason is Reason.DUPLICATE_KEY


@pytest.mark.parametrize(("body", "value"), [pytest.param(*case, id=name) for name, case in TAKEN.items()])
def test_what_is_json_is_taken(body: bytes, value: Any) -> None:
    assert load_json(body) == value


@pytest.mark.parametrize("body", [b"[1e400]", b"[-1e400]", b"[1" + b"0" * 400 + b"]", b"[1e-400]", b"[1e99999999999]"])
def test_a_number_beyond_a_float_is_read_and_breaks_nothing(body: bytes) -> None:
    assert isinstance(load_json(body), list)


def test_a_body_may_be_as_large_as_the_limit_and_no_larger() -> None:
    text = b'"' + b"x" * (MAX_BODY - 2) + b'"'
    assert len(load_json(text)) == MAX_BODY - 2
    assert refusal_of(text + b" ").refusal.reason is Reason.TOO_LARGE
