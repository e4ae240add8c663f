"""Template filters: the contract's names and values in the words and formats of a language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

import orjson
from markupsafe import Markup, escape

from comporta.web.pages import formats, i18n
from comporta.web.pages.field_names import FIELDS
from comporta.web.pages.i18n import Language
from comporta.web.pages.reason_names import REASONS
from comporta.web.pages.reasons import action_refusal, field_value, pointer_parts, refusal_sentence

__all__ = ["page_filters"]

_BACKTICKS = re.compile(r"`([^`]+)`")


def page_filters(language: Language) -> dict[str, Callable[..., Any]]:
    """Return the filters of the templates for a language."""
    locale, translate = language.locale, language.translations.gettext

    def word(name: str, table: str) -> str:
        # A newer worker may write a name that this page does not know yet: show the name itself.
        return word_of(name, getattr(i18n, table))

    def word_of(name: str, words: Mapping[str, str]) -> str:
        text = words.get(name)
        return name if text is None else translate(text)

    return {
        "number": lambda value: formats.number(value, locale),
        "size": lambda value: formats.size(value, locale),
        "lag": lambda seconds: formats.lag(seconds, locale),
        "stamp": lambda moment: formats.stamp(moment, locale),
        "duration": formats.duration,
        "domain": lambda name: word(name, "DOMAINS"),
        "outcome": lambda name: word(name, "OUTCOMES"),
        "state": lambda name: word(name, "STATES"),
        "action": lambda name: word(name, "ACTIONS"),
        "cancellation": lambda name: word(name, "CANCELLATIONS"),
        "order_event": lambda name: word(name, "ORDER_EVENTS"),
        "load_state": lambda name: word(name, "LOAD_STATES"),
        "chunk_state": lambda name: word(name, "CHUNK_STATES"),
        "chunk_reason": lambda name: word(name, "CHUNK_REASONS"),
        "result": lambda name: word(name, "RESULTS"),
        "role": lambda name: word(name, "ROLES"),
        "source": lambda name: word(name, "SOURCES"),
        "field": lambda name: word_of(name, FIELDS),
        "pointer": lambda pointer: " › ".join(word_of(part, FIELDS) for part in pointer_parts(pointer)),
        "reason": lambda code: word_of(code, REASONS),
        "amount": lambda value: formats.amount(value, locale),
        "field_value": lambda value, name: field_value(value, name, language),
        "refusal": lambda text: action_refusal(text, language),
        "sentence": lambda row, **options: refusal_sentence(row["reason"], row["sentence"], language.tag, **options),
        "key_fields": _key_fields,
        "summed": _summed,
        "flows": _flows,
        "code": _code,
        "plain": lambda value: orjson.dumps(value, default=str).decode(),
        "iso": lambda moment: moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _summed(counts: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    """Return the sums over all shops by the inner name: of a thousand shops a template would take long."""
    sums: Counter[str] = Counter()
    for inner in counts.values():
        for name, count in inner.items():
            sums[name] += count
    return sums


def _flows(effective: Mapping[str, Mapping[str, str]], domain: str) -> set[str]:
    """Return the states that a domain has in any shop: on, off or both."""
    return {domains.get(domain, "on") for domains in effective.values()}


def _key_fields(text: str) -> dict[str, Any]:
    """Return the fields of a key's JSON text; none if it is another text, such as the id of an order."""
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _code(text: str) -> Markup:
    """Return the text as HTML, with `code` elements for the parts between backticks."""
    return Markup(_BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))
