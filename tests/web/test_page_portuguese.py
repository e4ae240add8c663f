"""Everything that the Portuguese page says is Portuguese: reasons, refusals, fields and numbers."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from comporta.web.pages.action_sentences import ACTION_SENTENCES, portuguese_action_sentence
from comporta.web.pages.field_names import FIELDS
from comporta.web.pages.i18n import LANGUAGES
from comporta.web.pages.reason_names import REASONS
from comporta.web.pages.reasons import action_refusal, pointer_parts
from schemas.domains import DOMAINS
from schemas.reasons import Reason
from tests.support.page_client import PageClient
from tests.support.views_harness import change_event
from tests.support.web_harness import WebHarness

ROOT = Path(__file__).parents[2]
RAISED = {"Conflict", "NotFound", "NotConfirmed"}


def fields_of(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        waiting: list[Any] = [field.annotation]
        while waiting:
            part = waiting.pop()
            if inspect.isclass(part) and issubclass(part, BaseModel):
                yield from fields_of(part)
            waiting += getattr(part, "__args__", ())


def raised_sentences() -> Iterator[str]:
    """Every sentence that an operator's action is refused with, as the sources write it, with a name for each value."""
    for room in ("rules", "control", "storage"):
        for path in (ROOT / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED
                if called and node.args and (text := _text(node.args[0])) is not None:
                    yield text


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x1" for part in node.values)
        return None if text.startswith("x1;") else text
    return None


def test_every_field_of_the_contract_has_a_name() -> None:
    named = {name for domain in DOMAINS.values() for model in (domain.key, domain.state) for name in fields_of(model)}
    assert named - set(FIELDS) == set()


def test_every_reason_has_a_name() -> None:
    assert {reason.value for reason in Reason} == set(REASONS)


def test_every_refusal_of_an_action_is_said_in_portuguese() -> None:
    found = set(raised_sentences())
    assert len(found) > 12
    assert [text for text in found if portuguese_action_sentence(text) is None] == []


def test_a_translated_refusal_has_the_placeholders_of_its_sentence() -> None:
    assert [text for text, said in ACTION_SENTENCES.items() if text.count("{}") != said.count("{}")] == []


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        (
            "5 missed keys were expected and there are 7 now: check them, then repeat the action",
            "eram esperadas 5 chaves desatualizadas e agora há 7: confira e repita a ação",
        ),
        ("stale: the switch of shop main, domain * has changed since (epoch 9); look at it, and if the request is "
         "still meant, send it again",
         "o interruptor de loja main, domínio todas mudou desde então; confira e, se ainda for o caso, envie de novo"),
        ("invalid: missing_field at /reason: is required", "/reason: é obrigatório"),
        ("3 of 9 messages would be discarded on arrival, because of what is off: stock of shop main; resume that "
         "first, or confirm that they may be discarded",
         "3 de 9 mensagens seriam descartadas ao chegar, por causa do que está desligado: stock of shop main; ligue "
         "antes, ou confirme que podem ser descartadas"),
    ],
)  # fmt: skip
def test_a_refusal_is_translated_with_its_numbers_and_names(sentence: str, said: str) -> None:
    assert portuguese_action_sentence(sentence) == said


def test_a_moment_in_a_refusal_is_left_to_the_browser_to_localize() -> None:
    text = "expired: until (2026-11-23T20:00:00+00:00) is not in the future; it is 2026-11-23T20:01:02.5+00:00 now"
    said = action_refusal(text, LANGUAGES[0])
    assert said.startswith('o fim (<time datetime="2026-11-23T20:00:00+00:00" data-local>23/11/2026')
    assert said.count("<time ") == 2


def test_a_sentence_that_no_list_has_stays_as_it_is_and_is_escaped() -> None:
    assert action_refusal("<b>new</b>", LANGUAGES[0]) == "&lt;b&gt;new&lt;/b&gt;"


def test_a_pointer_names_the_fields_and_counts_from_one() -> None:
    assert pointer_parts("/data/items/0/unit_price") == ["items", "1", "unit_price"]


def test_the_portuguese_page_names_fields_reasons_and_numbers_as_the_reader_does(web: WebHarness) -> None:
    web.storage.commit(change_event("stock", product_code="P1", on_hand="1234.5", reserved=None, available=None))
    page = PageClient(web, language="pt-BR").get_page("/search?text=P1")
    assert "Em estoque1.234,5" in page.text
    assert "Filial" in page.text
    assert "on_hand" not in page.text
