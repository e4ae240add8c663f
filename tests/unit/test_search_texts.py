"""Search text of a refused message: codes, names, documents and numbers, whatever the body's format."""

from __future__ import annotations

import gzip

import pytest

from storage.search_texts import search_text


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b'{"id":"e1","data":{"code":"P1","name":" Porca  7 ","price":"9.90","url":"x"}}', ["e1", "P1", "Porca 7"]),
        (b'{"data":{"document":"529.982.247-25"}}', ["529.982.247-25", "52998224725"]),
        (b'{"data":{"code":"P1","name":"Porca', ["P1", "Porca"]),
        (b'[{"code":1},{"code":true}]', ["1"]),
        (b"{}", []),
        (b"", []),
        (b'"P1"', ["P1"]),
        (b'{"code":"P1",,"name":"Porca 7"}', ["code", "P1", "name", "Porca 7"]),
        (b"<item><code>P1</code><doc>529.982.247-25</doc>", ["item", "code", "P1", "/code", "doc", "529.982.247-25"]),
        (b"P1;Porca 7\r\nP2;Arruela", ["P1", "Porca 7", "P2", "Arruela"]),
        (gzip.compress(b"P1;Porca", mtime=0), ["P1", "Porca"]),
        ("P1;Aço".encode("utf-16"), ["P1", "Aço"]),
        (b"\xff\xfe", []),
    ],
)
def test_codes_names_documents_and_numbers_are_lines(body: bytes, lines: list[str]) -> None:
    text = search_text(body, {})
    assert [line for line in text.split("\n") if line][: len(lines)] == lines
    assert text == "" or (text[0], text[-1]) == ("\n", "\n")
    assert bool(text) is bool(lines)


def test_a_large_body_gives_a_short_text_that_every_database_stores() -> None:
    for body in (b"\x00\xed\xa0\x80;" * 10_000, b"P1;" * 1_000_000, b"x" * 1_000_000, bytes(range(256)) * 100):
        text = search_text(body, {})
        assert len(text) <= 2_002
        assert "\x00" not in text
        text.encode()
