"""Sentences of refusals in Brazilian Portuguese: stored in English, translated where they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

__all__ = ["SENTENCES", "SentenceCatalog", "portuguese_sentence"]

# `{}` stands for a number or a name, which stays as it is.
SENTENCES: dict[str, str] = {
    "is required": "é obrigatório",
    "is not a field of this message": "não é um campo desta mensagem",
    "is misspelt: the field is {}": "está escrito errado: o campo é {}",
    "is no key field: a deleted event has only the key": "não é um campo da chave: um evento de exclusão só tem a "
    "chave",
    "must be a JSON string": "deve ser uma string JSON",
    "must be true or false": "deve ser true ou false",
    "must be a JSON integer": "deve ser um número inteiro JSON",
    "must be a JSON array": "deve ser um array JSON",
    "must be a JSON object": "deve ser um objeto JSON",
    "must be a JSON string holding a decimal number": "deve ser uma string JSON com um número decimal",
    "must be a JSON string: a JSON number loses digits": "deve ser uma string JSON: um número JSON perde dígitos",
    "must have at most {} characters": "deve ter no máximo {} caracteres",
    "must have at least {} characters": "deve ter pelo menos {} caracteres",
    "must have at least {} items": "deve ter pelo menos {} itens",
    "must have at most {} items": "deve ter no máximo {} itens",
    "must be at least {}": "deve ser no mínimo {}",
    "must be at most {}": "deve ser no máximo {}",
    "must match {}": "deve seguir o padrão {}",
    "must be {}": "deve ser {}",
    "has a value that is not allowed here": "tem um valor que não é permitido aqui",
    "must not hold the NUL character": "não pode conter o caractere NUL",
    "must not be only white space": "não pode ter só espaços",
    "must not be empty": "não pode estar vazio",
    "must have no white space at either end": "não pode ter espaço no começo nem no fim",
    "must be in the Unicode normal form C (NFC)": "deve estar na forma normal C do Unicode (NFC)",
    "must hold no control, format or unassigned character": "não pode conter caractere de controle, de formatação ou "
    "não atribuído",
    "must be an http or https address": "deve ser um endereço http ou https",
    "must be * or a shop id: a-z, 0-9 and -, at most 63 characters": "deve ser * ou um id de loja: a-z, 0-9 e -, no "
    "máximo 63 caracteres",
    "must be 8 digits": "deve ter 8 dígitos",
    "must be a JSON string of decimal digits that fits 64 bits": "deve ser uma string JSON de dígitos decimais que "
    "caiba em 64 bits",
    "must fit a signed 64-bit integer": "deve caber em um inteiro de 64 bits com sinal",
    "must be an RFC 3339 time with a zone, such as 2026-11-23T07:22:51Z": "deve ser uma data e hora RFC 3339 com fuso, "
    "como 2026-11-23T07:22:51Z",
    "must be a decimal number such as 12.5 (no NaN, no infinity, ASCII)": "deve ser um número decimal como 12.5 (sem "
    "NaN, sem infinito, ASCII)",
    "must have at most {} integer digits": "deve ter no máximo {} dígitos inteiros",
    "must have at most {} decimal digits": "deve ter no máximo {} casas decimais",
    "must be greater than zero": "deve ser maior que zero",
    "must not be less than zero": "não pode ser menor que zero",
    "must be 8, 12, 13 or 14 digits with a right check digit, or SEM GTIN": "deve ter 8, 12, 13 ou 14 dígitos com o "
    "dígito verificador certo, ou ser SEM GTIN",
    "a barcode of this type must have 8, 12, 13 or 14 digits, checked": "um código de barras deste tipo deve ter 8, "
    "12, 13 ou 14 dígitos, com verificador",
    "must be a currency code of ISO 4217, such as BRL": "deve ser um código de moeda da ISO 4217, como BRL",
    "must be a CPF: 11 digits with right check digits": "deve ser um CPF: 11 dígitos com verificadores certos",
    "must be a CNPJ: 12 digits or capitals and 2 right check digits": "deve ser um CNPJ: 12 dígitos ou maiúsculas e 2 "
    "verificadores certos",
    "must lie after valid_from": "deve ser depois de valid_from",
    "must equal on_hand - reserved": "deve ser igual a on_hand - reserved",
    "two items have the same line": "dois itens têm o mesmo line",
    "must equal quantity x unit_price - discount, within 0.015": "deve ser quantity x unit_price - discount, com "
    "diferença de até 0.015",
    "must equal items + taxes + freight + insurance + other_charges - discount, within 0.01 and half a cent a line": (
        "deve ser itens + impostos + frete + insurance + other_charges - desconto, com diferença de até 0.01 e meio "
        "centavo por linha"
    ),
    "an earlier order with this id has different content": "um pedido anterior com este id tem outro conteúdo",
    "a field that is only passed on holds the NUL character": "um campo que só é repassado contém o caractere NUL",
    "a field that is only passed on holds a number beyond 64 bits": "um campo que só é repassado contém um número além "
    "de 64 bits",
    "the body is not a CloudEvent: a JSON object with a type is needed": "o corpo não é um CloudEvent: é preciso um "
    "objeto JSON com um type",
    "the body is not UTF-8 JSON: {}": "o corpo não é JSON em UTF-8: {}",
    "an object names the same key twice": "um objeto cita a mesma chave duas vezes",
    "the message has {} faults": "a mensagem tem {} falhas",
    "must be erp.<entity>.changed.v1 or erp.<entity>.deleted.v1": "deve ser erp.<entity>.changed.v1 ou "
    "erp.<entity>.deleted.v1",
    "this major version is unknown: v1 is understood": "esta versão principal é desconhecida: v1 é aceita",
    "an event of {} came with a routing key of {}": "um evento de {} veio com uma chave de roteamento de {}",
    "neither sequence nor time is given: one of them orders the changes": "não há sequence nem time: um deles ordena "
    "as mudanças",
    "the body has more than {} bytes": "o corpo tem mais de {} bytes",
    "the header must be text, a whole number or a time": "o cabeçalho deve ser texto, número inteiro ou data e hora",
    "a header can't be read: text must be UTF-8, times in seconds": "um cabeçalho não pode ser lido: texto em UTF-8, "
    "data e hora em segundos",
    "it was delivered too often without an outcome": "foi entregue vezes demais sem resultado",
    "the routing key must be {}": "a chave de roteamento deve ser {}",
    "compressed bodies are not taken: send plain JSON": "corpos comprimidos não são aceitos: envie JSON puro",
    "the content type must be application/cloudevents+json": "o tipo de conteúdo deve ser application/cloudevents+json",
    "the content encoding must be utf-8 or none": "a codificação de conteúdo deve ser utf-8 ou nenhuma",
    "no such order has come from the shop": "nenhum pedido com este id veio da loja",
    "the order is internalized already, under another number": "o pedido já foi internalizado, com outro número",
    "the order is internalized already: it can't be rejected any more": "o pedido já foi internalizado: não pode mais "
    "ser rejeitado",
    "no cancellation of this order has been sent to the ERP": "nenhum cancelamento deste pedido foi enviado ao ERP",
    "the ERP has confirmed the cancellation already": "o ERP já confirmou o cancelamento",
    "an earlier event with this key, version and id has different content": "um evento anterior com esta chave, versão "
    "e id tem outro conteúdo",
    "another program rejected it in its queue": "outro programa a rejeitou na fila dela",
    "it came to {} without a history, and its routing key names no domain": "ela chegou a {} sem histórico, e a "
    "chave de roteamento dela não cita um domínio",
    "it waited in its queue for longer than its expiration": "ela esperou na fila mais tempo do que a expiração dela",
    "it was delivered too often in a queue that Comporta does not consume": "foi entregue vezes demais em uma fila que "
    "o Comporta não consome",
    "its queue was full, and the broker pushed it out": "a fila dela estava cheia, e o broker a tirou de lá",
    "the body begins with a byte order mark: send UTF-8 without it": "o corpo começa com uma marca de ordem de bytes: "
    "envie UTF-8 sem ela",
    "the body is UTF-16 or UTF-32: send UTF-8": "o corpo é UTF-16 ou UTF-32: envie UTF-8",
    "the body is compressed ({}): send plain JSON": "o corpo está comprimido ({}): envie JSON puro",
    "the data must be a JSON object in data, not base64": "os dados devem ser um objeto JSON em data, não base64",
    "the feed's versions are sequences, and this event has only a time": "as versões deste domínio são sequências, e "
    "este evento só tem data e hora",
    "the feed's versions are times, and this event has a sequence": "as versões deste domínio são datas, e este evento "
    "tem uma sequence",
    "the header can't be read: times must be in seconds": "o cabeçalho não pode ser lido: data e hora em segundos",
    "the key fields are {}": "os campos da chave são {}",
    "the shop is not known: an operator adds it with comporta shop add": "a loja não é conhecida: um operador a "
    "acrescenta com comporta shop add",
    "the time serves as version and lies too far ahead of the database's clock": "a data e hora serve de versão e está "
    "adiantada demais em relação ao relógio do banco de dados",
    "must be a JSON string of decimal digits, at most 2^62": "deve ser uma string JSON de dígitos decimais, no máximo "
    "2^62",
    "is required beside loadchunk": "é obrigatório junto com loadchunk",
    "must be the number of a chunk: digits, 1 to {}": "deve ser o número de um bloco: dígitos, de 1 a {}",
    "a message of {} came to {}": "uma mensagem de {} chegou a {}",
    "must come after from, by the bytes of UTF-8": "deve vir depois de from, pelos bytes de UTF-8",
    "must have at most {} values: {}": "deve ter no máximo {} valores: {}",
    "must be a JSON array of key values, or null": "deve ser um array JSON com valores da chave, ou null",
    "an earlier message of this load has said something else: read again, it is a new load": "uma mensagem anterior "
    "desta carga disse outra coisa: lida de novo, é uma carga nova",
    "must be at most 2^62: no counter gets that far": "deve ser no máximo 2^62: nenhum contador chega tão longe",
}
_MORE = re.compile(r" \(and ([0-9]+) more faults?\)$")


class SentenceCatalog:
    """Translations of sentences with `{}` placeholders."""

    def __init__(self, sentences: dict[str, str]) -> None:
        self._sentences = sentences
        # The longest first: `must be {}` would match most of the others.
        self._patterns = [
            (re.compile(re.escape(english).replace(r"\{\}", "(.+?)"), re.DOTALL), translation)
            for english, translation in sorted(sentences.items(), key=lambda item: -len(item[0]))
            if "{}" in english
        ]

    def translated(self, sentence: str, word: Callable[[str], str]) -> str | None:
        """Return the translation, each placeholder's text replaced by its `word`; None if no sentence matches."""
        if sentence in self._sentences:
            return self._sentences[sentence]
        for pattern, translation in self._patterns:
            if (match := pattern.fullmatch(sentence)) is not None:
                return translation.format(*map(word, match.groups()))
        return None


_CATALOG = SentenceCatalog(SENTENCES)


@lru_cache(maxsize=1024)
def portuguese_sentence(sentence: str) -> str | None:
    """Return the translation of a refusal's sentence; None if it is not one of the list."""
    more = _MORE.search(sentence)
    if more is not None:
        first = portuguese_sentence(sentence[: more.start()])
        return None if first is None else f"{first} (e mais {more[1]} {'falha' if more[1] == '1' else 'falhas'})"
    return _CATALOG.translated(sentence, lambda name: name.replace(" or ", " ou "))
