"""Sentences of refused actions in Brazilian Portuguese: raised in English, translated where they are shown."""

from __future__ import annotations

import re
from functools import lru_cache

from schemas.sentences_pt import SentenceCatalog, portuguese_sentence

__all__ = ["ACTION_SENTENCES", "NOUNS", "portuguese_action_sentence"]

# `{}` stands for a number, a name or one of the nouns.
ACTION_SENTENCES: dict[str, str] = {
    "{} {} were expected and there are {} now: check them, then repeat the action": "eram esperadas {} {} e agora há "
    "{}: confira e repita a ação",
    "{} {} would be discarded on arrival, because of what is off: {}; resume that first, or confirm that they may be "
    "discarded": "{} {} seriam descartadas ao chegar, por causa do que está desligado: {}; ligue antes, ou confirme "
    "que podem ser descartadas",
    "{} is off: the ERP's answers would be discarded; resume that first": "{} está desligado: as respostas do ERP "
    "seriam descartadas; ligue antes",
    "it was not meant for Comporta but for {}: only its publisher can send it again": "não era para o Comporta, e sim "
    "para {}: só o sistema de origem pode enviá-la de novo",
    "its routing key names no shop and domain: only its publisher can send it again, under a valid one": "a chave de "
    "roteamento não cita loja e domínio: só o sistema de origem pode enviá-la de novo, com uma válida",
    "its routing key names no shop: only its publisher can send it again, under a valid one": "a chave de roteamento "
    "não cita nenhuma loja: só o sistema de origem pode enviá-la de novo, com uma válida",
    "its content encoding is not stored: only its publisher can send it again, as utf-8": "a codificação do conteúdo "
    "não é guardada: só o sistema de origem pode enviá-la de novo, em utf-8",
    "an attribute in its headers can't be read: only its publisher can send it again": "um atributo nos cabeçalhos não "
    "pode ser lido: só o sistema de origem pode enviá-la de novo",
    "its headers could not be stored unchanged: only its publisher can send it again": "os cabeçalhos não puderam ser "
    "guardados como eram: só o sistema de origem pode enviá-la de novo",
    "{} can't be replayed: {}": "{} não pode ser reprocessada: {}",
    "another replay of {} is running; try again in half a minute": "outro reprocessamento de {} está em andamento; "
    "tente de novo em meio minuto",
    "a replay of {} is running; try again in half a minute": "um reprocessamento de {} está em andamento; tente de "
    "novo em meio minuto",
    "no message with the id {} is in the quarantine (any more)": "não há (mais) mensagem com o id {} na quarentena",
    "no message with the id {} is in the quarantine": "não há mensagem com o id {} na quarentena",
    "no replay or drop of many has the id {}": "não há reprocessamento nem exclusão de várias com o id {}",
    "some of the first {} came back: the others were not tried": "das primeiras {}, algumas voltaram: as outras não "
    "foram tentadas",
    "messages are not edited here: COMPORTA_ALLOW_EDIT=true would allow it": "aqui mensagens não são editadas: "
    "COMPORTA_ALLOW_EDIT=true permitiria",
    "a reason is needed: the audit keeps it with what was changed": "é preciso um motivo: a auditoria o guarda com o "
    "que foi alterado",
    "the broker has not taken the copy ({}): try again later": "o servidor de mensagens não aceitou a cópia ({}): "
    "tente de novo mais tarde",
    "it is too large to be edited: only its publisher can send it again": "é grande demais para ser editada: só o "
    "sistema de origem pode enviá-la de novo",
    "its attributes are headers (binary mode): only its publisher can send it again": "seus atributos são cabeçalhos "
    "(modo binário): só o sistema de origem pode enviá-la de novo",
    "it is no text in UTF-8: only its publisher can send it again": "não é um texto em UTF-8: só o sistema de origem "
    "pode enviá-la de novo",
    "the text is no JSON: check commas, quotes and brackets": "o texto não é JSON: confira vírgulas, aspas e colchetes",
    "the text is no JSON object": "o texto não é um objeto JSON",
    "the copy would be refused again: {}": "a cópia seria recusada de novo: {}",
    "reason, shop: the reason and the shop of a group are needed": "é preciso o motivo e a loja de um grupo",
    "COMPORTA_SHOPS names a file: add the shop {} to it, a line for each shop": "COMPORTA_SHOPS aponta para um "
    "arquivo: acrescente a loja {} nele, uma linha por loja",
    "the shop {} is not removed: {}; or force the removal": "a loja {} não foi removida: {}; ou force a remoção",
    "the shop {} has placed no order with the id {}": "a loja {} não fez nenhum pedido com o id {}",
    "the order is being sent, is held already, or is internalized or cancelled; `orders show` shows its state": "o "
    "pedido está sendo enviado, já está retido, ou foi internalizado ou cancelado",
    "the order is not held; `orders show` shows its state": "o pedido não está retido",
    "the order is cancelled already, or its cancellation is on the way to the ERP": "o pedido já foi cancelado, ou o "
    "cancelamento está a caminho do ERP",
    "the load {} of {} is {}, not held": "a carga {} de {} não está retida: {}",
    "the load {} of {} is {} already": "a carga {} de {} já terminou: {}",
    "{} is off: resume it, then confirm what the load would delete": "{} está desligada: ligue e depois confirme o que "
    "a carga apagaria",
    "no load with the id {} of {} is known": "não há carga com o id {} em {}",
    "an order with this id and other content has come from the shop: it stays as it is": "já veio da loja um pedido "
    "com este id e outro conteúdo: ele fica como está",
    "it is no order: only orders can be accepted as they are; correct it and send it again": "não é um pedido: só "
    "pedidos podem ser aceitos como estão; corrija e envie de novo",
    "it can't be accepted as it is: {}": "não pode ser aceito como está: {}",
    "no queue is bound to the exchange {} for {}: bind the queue that the ERP reads to it, with the routing key # or "
    "{}, and repeat the request; {} keys were asked for before that": "nenhuma fila está ligada à exchange {} para {}: "
    "ligue a fila que o ERP lê, com a chave de roteamento # ou {}, e repita a solicitação; {} chaves foram solicitadas "
    "antes",
    "the broker has not confirmed the request for {} ({}): repeat the request later; {} keys were asked for before "
    "that": "o servidor de mensagens não confirmou a solicitação de {} ({}): repita mais tarde; {} chaves foram "
    "solicitadas antes",
    "no event, order or `comporta shop add` has named the shop {} yet; did you mean {}?": "nenhum evento, pedido ou "
    "`comporta shop add` citou a loja {} até agora; seria {}?",
    "no event, order or `comporta shop add` has named the shop {} yet": "nenhum evento, pedido ou `comporta shop add` "
    "citou a loja {} até agora",
    "until ({}) is not in the future; it is {} now": "o fim ({}) não está no futuro; agora é {}",
    "issued at {}, before the last change of shop {}, domain {} ({}); if it is still meant, send it again": "pedido em "
    "{}, antes da última mudança de loja {}, domínio {} ({}); se ainda for o caso, envie de novo",
    "the switch of shop {}, domain {} has changed since; look at it, and if the request is still meant, send it "
    "again": "o interruptor de loja {}, domínio {} mudou desde então; confira e, se ainda for o caso, envie de novo",
    "until ({}) must lie after from ({})": "o fim ({}) precisa vir depois do início ({})",
    "weekly needs a from in the future": "a repetição semanal precisa de um início no futuro",
    "from belongs to a pause; a resume is obeyed at once": "o início vale só para desligar; ligar vale na hora",
    "a weekly pause needs an until that lies less than a week after from": "uma pausa semanal precisa terminar menos "
    "de uma semana depois do início",
    "a pause of shop {}, domain {} is planned from {}; say replace, or resume the scope to drop that plan first": "uma "
    "pausa de loja {}, domínio {} já está planejada a partir de {}; descarte esse plano antes",
    "the request contains a value that no row can hold: {}": "a solicitação tem um valor que nenhuma linha pode ter: "
    "{}",
    "the request can't be read: {}": "a solicitação não pode ser lida: {}",
    "shop, domain: a shop and a domain of change events are needed": "é preciso uma loja e um domínio de alterações",
    "key: a JSON object with the fields of the key is needed": "é preciso um objeto JSON com os campos da chave",
    "{} is not a moment like 2026-11-23T20:00": "{} não é uma data e hora como 2026-11-23T20:00",
}
NOUNS: dict[str, str] = {
    "messages": "mensagens",
    "missed keys": "chaves desatualizadas",
    "keys": "chaves",
    "orders": "pedidos",
    "keys to delete": "chaves a apagar",
    "running": "em andamento",
    "held": "retida",
    "completed": "concluída",
    "superseded": "substituída",
    "expired": "expirada",
    "cancelled": "cancelada",
    "all": "todas as",
    "*": "todas",
}
_CATALOG = SentenceCatalog(ACTION_SENTENCES)
_EPOCH = re.compile(r" \(epoch [0-9]+\)")
# How the control plane sorts its refusals; a refusal of a message begins with its reason and place.
_CLASS = re.compile(r"(?:invalid|stale|expired): ")
_REFUSAL = re.compile(r"[a-z_]+ at (/[^ ]*): (.+)", re.DOTALL)
_COUNTED = re.compile(r"(of )?([0-9]+) ([a-z ]+)")


@lru_cache(maxsize=1024)
def portuguese_action_sentence(sentence: str) -> str | None:
    """Return the translation of the sentence of a refused action; None if it is not one of the list."""
    text = _EPOCH.sub("", _CLASS.sub("", sentence, count=1) if _CLASS.match(sentence) else sentence)
    if (refusal := _REFUSAL.fullmatch(text)) is not None:
        said = portuguese_sentence(refusal[2])
        return None if said is None else f"{refusal[1]}: {said}"
    return _CATALOG.translated(text, _word) or portuguese_sentence(text)


def _word(text: str) -> str:
    if (counted := _COUNTED.fullmatch(text)) is not None and counted[3] in NOUNS:
        return f"{'de ' if counted[1] else ''}{counted[2]} {NOUNS[counted[3]]}"
    return NOUNS.get(text) or portuguese_action_sentence(text) or text.replace(" or ", " ou ").replace(" and ", " e ")
