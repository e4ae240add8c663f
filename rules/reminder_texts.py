"""Texts of reminders, in English and in Brazilian Portuguese."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from rules.reminders import Occurrence, ReminderKind

__all__ = ["LANGUAGES", "Language", "ReminderText", "reminder_text"]

Language = Literal["en", "pt-BR"]
LANGUAGES: tuple[Language, Language] = ("pt-BR", "en")
# So many scopes or shops are named; the others are counted.
_MOST_LINES = 20
_ANY = "*"


class ReminderText(NamedTuple):
    """Text of a reminder in one language."""

    subject: str
    body: str


class _Words(NamedTuple):
    one: str
    several: str
    advice: str


_WORDS: dict[Language, dict[ReminderKind, _Words]] = {
    "en": {
        ReminderKind.OVERDUE: _Words(
            "Integration off longer than planned: {scope}",
            "Integration off longer than planned: {count} scopes",
            "Meanwhile changes are discarded and orders wait. Switch it on, or set an end.",
        ),
        ReminderKind.ENDED: _Words(
            "Integration on again: {scope}",
            "Integration on again: {count} scopes",
            "Request the missed keys, unless the ERP sends everything again by itself.",
        ),
        ReminderKind.REJECTED: _Words(
            "Order rejected by the ERP: {scope}",
            "Orders rejected by the ERP: {count}",
            "They are not sent again until somebody decides.",
        ),
        ReminderKind.STUCK: _Words(
            "Order stuck: {scope}", "Orders stuck: {count}", "They are not sent again until somebody decides."
        ),
        ReminderKind.QUARANTINED: _Words(
            "Message in the quarantine: {scope}",
            "Messages in the quarantine: {count}",
            "They are not applied until somebody replays, corrects or drops them.",
        ),
        ReminderKind.HELD: _Words(
            "Full load held: {scope}",
            "Full loads held: {count}",
            "It would delete more than is allowed, and waits until somebody confirms or cancels it.",
        ),
    },
    "pt-BR": {
        ReminderKind.OVERDUE: _Words(
            "Integração desligada além do planejado: {scope}",
            "Integração desligada além do planejado: {count} escopos",
            "Enquanto isso, mudanças são descartadas e pedidos esperam. Ligue-a ou defina um término.",
        ),
        ReminderKind.ENDED: _Words(
            "Integração ligada de novo: {scope}",
            "Integração ligada de novo: {count} escopos",
            "Solicite as chaves desatualizadas, a não ser que o ERP envie tudo de novo por si.",
        ),
        ReminderKind.REJECTED: _Words(
            "Pedido rejeitado pelo ERP: {scope}",
            "Pedidos rejeitados pelo ERP: {count}",
            "Não são enviados de novo até que alguém decida.",
        ),
        ReminderKind.STUCK: _Words(
            "Pedido travado: {scope}", "Pedidos travados: {count}", "Não são enviados de novo até que alguém decida."
        ),
        ReminderKind.QUARANTINED: _Words(
            "Mensagem na quarentena: {scope}",
            "Mensagens na quarentena: {count}",
            "Não são aplicadas até que alguém as reprocesse, corrija ou exclua.",
        ),
        ReminderKind.HELD: _Words(
            "Carga completa retida: {scope}",
            "Cargas completas retidas: {count}",
            "Ela excluiria mais do que o permitido e espera até que alguém a confirme ou cancele.",
        ),
    },
}
_FACTS: dict[Language, dict[str, str]] = {
    "en": {
        "since": "off since {}",
        "planned_until": "planned until {}",
        "until": "now until {}",
        "ended_at": "on since {}",
        "by": "by {}",
        "reason": "reason: {}",
        "missed": "{} keys missed",
        "orders_held": "{} orders waited",
        "load_id": "load {}",
        "started_at": "begun {}",
    },
    "pt-BR": {
        "since": "desligada desde {}",
        "planned_until": "planejada até {}",
        "until": "agora até {}",
        "ended_at": "ligada desde {}",
        "by": "por {}",
        "reason": "motivo: {}",
        "missed": "{} chaves desatualizadas",
        "orders_held": "{} pedidos esperaram",
        "load_id": "carga {}",
        "started_at": "iniciada em {}",
    },
}
_SHOPS: dict[Language, str] = {"en": "every shop", "pt-BR": "todas as lojas"}
_DOMAINS: dict[Language, str] = {"en": "every domain", "pt-BR": "todos os domínios"}
_DOMAIN: dict[Language, dict[str, str]] = {
    "en": {"price_tables": "price tables"},
    "pt-BR": {
        "products": "produtos",
        "images": "imagens",
        "packagings": "embalagens",
        "price_tables": "tabelas de preço",
        "prices": "preços",
        "stock": "estoque",
        "customers": "clientes",
        "orders": "pedidos",
    },
}
_MORE: dict[Language, str] = {"en": "and {} more", "pt-BR": "e mais {}"}
_FORMAT: dict[Language, str] = {"en": "%Y-%m-%d %H:%M UTC", "pt-BR": "%d/%m/%Y %H:%M UTC"}


def reminder_text(kind: ReminderKind, told: Sequence[Occurrence], language: Language, url: str | None) -> ReminderText:
    """Return the text on some occurrences of one kind, with the page's address if there is one."""
    words = _WORDS[language][kind]
    count = sum(occurrence.number for occurrence in told)
    form = words.one if count == 1 else words.several
    subject = form.format(scope=_scope(told[0], language), count=count)
    lines = [_line(occurrence, language) for occurrence in told[:_MOST_LINES]]
    if len(told) > _MOST_LINES:
        lines.append(_MORE[language].format(len(told) - _MOST_LINES))
    body = [f"{subject}.", "", *(f"- {line}" for line in lines), "", words.advice]
    return ReminderText(subject, "\n".join([*body, *([] if url is None else ["", url])]))


def _line(occurrence: Occurrence, language: Language) -> str:
    number = f": {occurrence.number}" if occurrence.number != 1 else ""
    facts = [
        form.format(_shown(value, language))
        for name, form in _FACTS[language].items()
        if (value := occurrence.facts.get(name)) not in (None, "", 0)
    ]
    return "; ".join([_scope(occurrence, language) + number, *facts])


def _shown(value: Any, language: Language) -> str:
    if isinstance(value, datetime):
        return value.strftime(_FORMAT[language])
    # A reason may have lines: each fact stays on one.
    return " ".join(str(value).split())


def _scope(occurrence: Occurrence, language: Language) -> str:
    shop = _SHOPS[language] if occurrence.shop == _ANY else occurrence.shop
    if not occurrence.domain:
        return shop
    known = {_ANY: _DOMAINS[language], **_DOMAIN[language]}
    return f"{shop}, {known.get(occurrence.domain, occurrence.domain)}"
