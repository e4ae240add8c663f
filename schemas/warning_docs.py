"""Warning docs for people, in English and Portuguese; the source of `docs/contract/warnings.md`."""

from __future__ import annotations

from typing import NamedTuple

from schemas.warnings import WarningCode

__all__ = ["WARNING_DOCS", "WarningDoc"]


class WarningDoc(NamedTuple):
    """One warning in two languages: its description and its remedy, and a value that causes it."""

    code: WarningCode
    description: str
    remedy: str
    description_pt: str
    remedy_pt: str
    example: str = ""


WARNING_DOCS: tuple[WarningDoc, ...] = (
    WarningDoc(
        WarningCode.UNKNOWN_FIELD,
        "A field is none of the contract's. It is ignored; of an order it is passed on to the ERP. Workers count these "
        "fields by shop, domain and name.",
        "Check the spelling; the sentence names the most similar field. A field that is meant for nobody can stay.",
        "Um campo não é do contrato. Ele é ignorado; em um pedido, é repassado ao ERP. Os workers contam esses campos "
        "por loja, domínio e nome.",
        "Confira a grafia; a frase diz o campo mais parecido. Um campo que não é para ninguém pode ficar.",
        '`"colour": "blue"`',
    ),
    WarningDoc(
        WarningCode.MISSPELT_FIELD,
        "A field of an order is one of the contract's but for letter case, `_` or `-`. It is passed on to the ERP, and "
        "counts for nothing here. In a change event this is a refusal.",
        "Write the field as the contract does.",
        "Um campo de um pedido é um dos do contrato, a não ser por maiúsculas, `_` ou `-`. Ele é repassado ao ERP e "
        "não vale nada aqui. Em um evento de mudança, isso é uma recusa.",
        "Escreva o campo como no contrato.",
        '`"priceTable": "V"`',
    ),
    WarningDoc(
        WarningCode.TIME_BEHIND,
        "The event's `time` lies more than 30 days back.",
        "Right for a full load that sends the time of the last change; else check the clock that it comes from.",
        "O `time` do evento está mais de 30 dias no passado.",
        "Certo em uma carga completa que envia a hora da última mudança; senão, confira o relógio de origem.",
        '`"time": "1970-01-01T00:00:00Z"`',
    ),
    WarningDoc(
        WarningCode.TIME_IN_FUTURE,
        "The event's `time` lies more than five minutes ahead. Where it is the version, it wins over the changes until "
        "then.",
        "Check the clock and the zone; local time with a `Z` is the usual cause.",
        "O `time` do evento está mais de cinco minutos no futuro. Onde ele é a versão, ele vence as mudanças até lá.",
        "Confira o relógio e o fuso; hora local com `Z` é a causa mais comum.",
    ),
    WarningDoc(
        WarningCode.FAR_SUPERSEDED,
        "The row in the database has a far higher version: by 1,000 or more, or for versions by time by 30 days or "
        "more. Only a prediction with the database finds it.",
        "A repeat of old events is harmless. After the ERP's counter was restored or began anew, every change is "
        "superseded until the versions of the table are forgotten.",
        "A linha no banco de dados tem uma versão muito maior: por 1.000 ou mais, ou, em versões por hora, por 30 dias "
        "ou mais. Só uma previsão com o banco de dados encontra isso.",
        "Repetir eventos antigos não faz mal. Depois que o contador do ERP foi restaurado ou recomeçou, toda mudança é "
        "superada até que as versões da tabela sejam esquecidas.",
        '`"sequence": "7"` where the row has version 18446',
    ),
    WarningDoc(
        WarningCode.PRICE_TINY,
        "A price is a cent or less. Many ERPs hold such a price as a place for one that is not known.",
        "Delete the price or send `active: false`, unless the product costs this little.",
        "Um preço é de um centavo ou menos. Muitos ERPs guardam um preço assim no lugar de um que não se sabe.",
        "Exclua o preço ou envie `active: false`, a não ser que o produto custe isso mesmo.",
        '`"price": "0.01"`',
    ),
    WarningDoc(
        WarningCode.LIST_PRICE_LOW,
        "`list_price` is below `price`, or zero: the shop would show a discount that is a surcharge.",
        "Leave `list_price` out where there is none.",
        "`list_price` é menor que `price`, ou zero: a loja mostraria um desconto que é um acréscimo.",
        "Omita `list_price` onde não há.",
        '`"list_price": "0"`',
    ),
    WarningDoc(
        WarningCode.WINDOW_OVER,
        "`valid_to` lies in the past: the price or the table no longer holds.",
        "Right for the history; else send a later end, or none.",
        "`valid_to` está no passado: o preço ou a tabela não vale mais.",
        "Certo para o histórico; senão, envie um fim mais tarde, ou nenhum.",
    ),
    WarningDoc(
        WarningCode.GROSS_BELOW_NET,
        "`gross_weight_kg` is below `net_weight_kg`: one is probably in grams.",
        "Send both in kilograms.",
        "`gross_weight_kg` é menor que `net_weight_kg`: um deles provavelmente está em gramas.",
        "Envie ambos em quilogramas.",
        '`"net_weight_kg": "500"` with `"gross_weight_kg": "0.6"`',
    ),
    WarningDoc(
        WarningCode.TEXT_DAMAGED,
        "A text holds U+FFFD, which stands for a character that was lost.",
        "Convert the ERP's text to UTF-8 from the encoding that it is in, often Windows-1252.",
        "Um texto contém U+FFFD, que está no lugar de um caractere perdido.",
        "Converta o texto do ERP para UTF-8 a partir da codificação em que ele está, muitas vezes Windows-1252.",
        '`"name": "Caf\\ufffd"`',
    ),
)
