"""A person by document: which texts name them, which orders must stay, and an order without its buyer."""

from __future__ import annotations

import gzip
import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from rules.orders import CancelState, OrderState
from rules.person import ERASED, Person, Stay, impersonal_order, is_person_document, order_stays
from storage.all_tables import every_table
from storage.person_search import message_fate
from tests.support.order_events import placed

CPF, CNPJ, FOREIGN = "52998224725", "12ABC34501DE35", "PA-7781"
FORMS = {
    CPF: ("52998224725", "529.982.247-25", " 529 982 247 25", "529.982.247/25"),
    CNPJ: ("12ABC34501DE35", "12.ABC.345/01DE-35", "12abc34501de35", "12.abc.345/01de-35"),
    FOREIGN: ("PA-7781", "pa7781", "PA 7781"),
}
EVERY_FORM = [(document, said, stored) for document, forms in FORMS.items() for said, stored in product(forms, forms)]


def body(value: Any, field: str = "document") -> bytes:
    return json.dumps({"data": {"customer": {field: value, "name": "Ana"}}}).encode()


def is_own(document: str, message: bytes, headers: dict[str, Any] | None = None) -> bool:
    return message_fate(Person(document), message, headers or {}).own


@pytest.mark.parametrize(("document", "said", "stored"), EVERY_FORM)
def test_a_document_is_found_in_every_form(document: str, said: str, stored: str) -> None:
    assert Person(said).is_named(stored)
    assert is_own(said, body(stored))
    assert Person(said).is_mentioned(f"call {stored}, today") == (document != FOREIGN)


@pytest.mark.parametrize(
    "message",
    [
        body(CPF).replace(b"529", rb"\u0035\u0032\u0039"),
        body("x").replace(b"x", rb"52998224725"),
        body(int(CPF)),
        body(CPF).decode().encode("utf-16"),
        body(CPF).decode().encode("utf-16-be"),
        gzip.compress(body(CPF), mtime=0),
        body(CPF)[:-12],
        b"not JSON, but of 529.982.247-25",
        json.dumps({"data_base64": "eyJkb2N1bWVudCI6ICI1Mjk5ODIyNDcyNSJ9"}).encode(),
        b'{"cpf": "52998224725", "broken": ',
    ],
)
def test_a_refused_message_of_any_shape_is_found(message: bytes) -> None:
    assert is_own(CPF, message)
    assert not is_own("11144477735", message)


def test_a_slash_that_is_escaped_and_zeros_that_a_number_has_lost_are_found() -> None:
    assert is_own("11.222.333/0001-81", rb'{"data": {"document": "11.222.333\/0001-81"}}')
    assert is_own("001.002.003-04", body(100200304))
    assert not is_own("001.002.003-04", body(1100200304))


def test_a_header_names_a_person_too() -> None:
    assert is_own(CPF, b"{}", {"cpf": CPF})
    assert message_fate(Person(CPF), b"{}", {"ce-subject": CPF}) == (True, True)


def test_who_is_only_mentioned_keeps_the_message_of_another() -> None:
    text = json.dumps({"data": {"customer": {"document": "11144477735"}, "notes": f"for {CPF}"}}).encode()
    assert message_fate(Person(CPF), text, {}) == (False, True)
    assert Person(CPF).erased(text.decode()) == text.decode().replace(CPF, ERASED)


@pytest.mark.parametrize("text", [f"9{CPF}", f"{CPF}0", f"a{CPF}", "52998224726", "", "35200712ABC34501DE355500"])
def test_a_longer_number_is_another(text: str) -> None:
    assert not Person(CPF).is_mentioned(text)
    assert not Person(CNPJ).is_mentioned(text)
    assert Person(CPF).erased(text) == text


def test_a_foreign_id_is_found_in_fields_of_documents_alone() -> None:
    person = Person("100200")
    assert person.is_in({"customer": {"document": "100200"}})
    assert not person.is_in({"order_id": "100200", "customer": {"document": "100201", "code": "100200"}})
    assert not person.is_mentioned("order 100200")


@pytest.mark.parametrize(("text", "named"), [("", False), ("--- /", False), ("1" * 256, False), ("Ü1", True)])
def test_a_document_has_a_letter_or_a_digit(text: str, named: bool) -> None:
    assert is_person_document(text) is named


def test_orders_that_the_erp_has_and_those_that_may_leave_keep_their_buyer() -> None:
    for state, cancellation in product(OrderState, (None, *CancelState)):
        assert order_stays(state, cancellation, erp_number="7", has_news=False) is Stay.TAX_LAW
        assert order_stays(state, cancellation, erp_number=None, has_news=True) is Stay.TAX_LAW
        stay = order_stays(state, cancellation, erp_number=None, has_news=False)
        done = state is OrderState.CANCELLED and cancellation in (None, CancelState.REFUSED, CancelState.CONFIRMED)
        expected = Stay.TAX_LAW if state is OrderState.INTERNALIZED else None if done else Stay.OPEN_ORDER
        assert stay is expected, (state, cancellation)


def test_an_order_without_its_buyer_has_the_rest() -> None:
    payload = json.loads(
        placed(
            customer={"document": CPF, "name": "Ana Souza", "email": "ana@example.com"},
            delivery_address={"street": "Rua A"},
            notes="for Ana",
            gift_card_from="Ana",
            payment={"method": "pix", "payer": "Ana"},
        )
    )["data"]
    rest = impersonal_order(payload)
    assert not re.search(f"Ana|ana@|Rua A|{CPF}", json.dumps(rest))
    assert (rest["items"], rest["total"], rest["payment"]) == (payload["items"], "19.98", {"method": "pix"})


def test_the_page_about_personal_data_names_every_table() -> None:
    page = Path("docs/privacy.md").read_text(encoding="utf-8")
    missing = [table.name for table in every_table().sorted_tables if f"`{table.name}`" not in page]
    assert missing == []
