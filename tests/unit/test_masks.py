"""Documents are hidden wherever they stand, and numbers that are none are left as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.masks import mask_document, mask_documents, plain_document

CPF, CNPJ = "52998224725", "12ABC34501DE35"


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        (CPF, "***.982.247-**"),
        ("529.982.247-25", "***.982.247-**"),
        (CNPJ, "12.***.***/****-35"),
        ("12.ABC.345/01DE-35", "12.***.***/****-35"),
        ("AB1234567", "******567"),
        ("1234", "****"),
        ("", ""),
    ],
)
def test_of_a_document_only_enough_is_shown_to_tell_two_apart(document: str, shown: str) -> None:
    assert mask_document(document) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f'{{"document":"{CPF}","name":"Ana"}}', '{"document":"***.982.247-**","name":"Ana"}'),
        ('{"document": "11111111111"}', '{"document": "***.111.111-**"}'),
        ('{"document": 52998224725}', '{"document": ***.982.247-**}'),
        ('{"document":"AB1234567"}', '{"document":"******567"}'),
        (r"{\"document\":\"11111111111\"}", r"{\"document\":\"***.111.111-**\"}"),
        ("o CPF 529.982.247-25 foi recusado", "o CPF ***.982.247-** foi recusado"),
        (f"cnpj {CNPJ}.", "cnpj 12.***.***/****-35."),
        ("999.999.999-99", "***.999.999-**"),
        # No documents: a telephone, a GTIN, a sequence, an order.
        ('{"phones":["11987654321"]}', '{"phones":["11987654321"]}'),
        ('{"gtin":"17891000315507"}', '{"gtin":"17891000315507"}'),
        ('{"sequence":"18446"}', '{"sequence":"18446"}'),
        (f"x{CPF}", f"x{CPF}"),
    ],
)
def test_in_a_text_every_document_is_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert mask_documents(text) == shown


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (" 529.982.247-25 ", CPF),
        (CPF, CPF),
        ("12.abc.345/01de-35", CNPJ),
        ("52998224724", None),
        ("P1", None),
        ("", None),
    ],
)
def test_a_document_is_known_with_and_without_its_mask(text: str, plain: str | None) -> None:
    assert plain_document(text) == plain


@given(st.text(), st.text())
def test_whatever_stands_around_it_a_document_with_its_mask_never_remains(before: str, after: str) -> None:
    assert "529.982.247-25" not in mask_documents(f"{before} 529.982.247-25 {after}")
