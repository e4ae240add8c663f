"""Field descriptions of orders, their cancellations, receipts, later news and notices."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.field_doc import FieldDoc

__all__ = ["ORDER_FIELD_DOCS"]

_TIME = "2026-11-23T07:22:51Z"
_INVOICED = {
    "number": FieldDoc("Number of the invoice.", "Número da nota fiscal.", "123456"),
    "key": FieldDoc(
        "Access key of the invoice (NF-e).",
        "Chave de acesso da nota fiscal (NF-e).",
        "43261112345678000195550010001234561000000017",
    ),
    "issued_at": FieldDoc("Time of the invoice.", "Momento da emissão.", _TIME),
    "url": FieldDoc("Address of the invoice.", "Endereço da nota fiscal.", "https://erp.example/nfe/123456"),
}
_SHIPPED = {
    "carrier": FieldDoc("Carrier.", "Transportadora.", "Rápido Sul"),
    "tracking": FieldDoc("Tracking code, as the carrier writes it.", "Código de rastreio da transportadora.", "BR123"),
    "shipped_at": FieldDoc("Time of the dispatch.", "Momento da expedição.", _TIME),
}

ORDER_FIELD_DOCS: Mapping[str, Mapping[str, FieldDoc]] = {
    "PlacedOrder": {
        "order_id": FieldDoc(
            "Id of the order, unique in its shop: the idempotency key everywhere.",
            "Id do pedido, único na loja: a chave de idempotência em toda parte.",
            "ord-2026-000123",
        ),
        "display_number": FieldDoc("Number that the buyer is shown.", "Número que o comprador vê.", "000123"),
        "placed_at": FieldDoc("Time at which it was placed.", "Momento em que foi feito.", _TIME),
        "branch": FieldDoc("Branch that delivers.", "Filial que entrega.", "1"),
        "customer": FieldDoc("Buyer.", "Comprador."),
        "currency": FieldDoc("Currency of all its amounts (ISO 4217).", "Moeda de todos os valores (ISO 4217).", "BRL"),
        "price_table": FieldDoc("Code of the price table that it used.", "Código da tabela de preços usada.", "VAREJO"),
        "payment": FieldDoc("Payment.", "Pagamento."),
        "freight": FieldDoc("Freight.", "Frete."),
        "items": FieldDoc("Lines of the order.", "Linhas do pedido."),
        "taxes": FieldDoc(
            "Taxes of the whole order on top of the prices.", "Impostos do pedido inteiro, além dos preços."
        ),
        "insurance": FieldDoc("Insurance, added to the total.", "Seguro, somado ao total.", "4.90"),
        "other_charges": FieldDoc("Further charges, added to the total.", "Outras despesas, somadas ao total.", "2.00"),
        "discount": FieldDoc(
            "Discount of the whole order, beside those of its lines.",
            "Desconto do pedido inteiro, além do desconto das linhas.",
            "5.00",
        ),
        "total": FieldDoc(
            "Sum to be paid: items + taxes + freight + insurance + other_charges - discount, within 0.01 and half a "
            "cent a line.",
            "Valor a pagar: items + taxes + freight + insurance + other_charges - discount, com tolerância de 0,01 e "
            "meio centavo por linha.",
            "42.70",
        ),
        "delivery_address": FieldDoc("Address of the delivery.", "Endereço de entrega."),
        "notes": FieldDoc("Notes of the buyer.", "Observações do comprador.", "Entregar à tarde."),
    },
    "Buyer": {
        "code": FieldDoc(
            "Code of the customer in the ERP: customers.code.", "Código no ERP: customers.code.", "C-1029"
        ),
        "document": FieldDoc(
            "CPF, CNPJ (both with or without their mask) or a foreign id.",
            "CPF, CNPJ (ambos com ou sem máscara) ou documento estrangeiro.",
            "529.982.247-25",
        ),
        "name": FieldDoc("Name of the buyer.", "Nome do comprador.", "Ana Lima"),
        "email": FieldDoc("E-mail address.", "E-mail.", "ana@example.com"),
        "phones": FieldDoc("Phone numbers.", "Telefones.", ["+55 51 99999-0000"]),
    },
    "Payment": {
        "method": FieldDoc("Way of payment, as shop and ERP agree.", "Forma de pagamento combinada com o ERP.", "pix"),
        "term": FieldDoc("Payment term.", "Prazo de pagamento.", "30/60"),
        "installments": FieldDoc("Number of instalments.", "Número de parcelas.", 2),
    },
    "Freight": {
        "type": FieldDoc(
            "CIF: the seller pays; FOB: the buyer pays.", "CIF: paga o vendedor; FOB: paga o comprador.", "CIF"
        ),
        "value": FieldDoc("Freight, added to the total.", "Valor do frete, somado ao total.", "10.00"),
        "carrier": FieldDoc("Carrier.", "Transportadora.", "Rápido Sul"),
    },
    "Item": {
        "line": FieldDoc("Number of the line, unique in the order.", "Número da linha, único no pedido.", 1),
        "product_code": FieldDoc("Code of the product: products.code.", "Código do produto: products.code.", "7891000"),
        "packaging_code": FieldDoc(
            "Code of the packaging that quantity counts; absent: the base unit.",
            "Código da embalagem que quantity conta; ausente: a unidade base.",
            "CX12",
        ),
        "quantity": FieldDoc("Number of packagings.", "Número de embalagens.", "2"),
        "factor": FieldDoc("Number of base units in a packaging.", "Unidades base em uma embalagem.", "12.000"),
        "unit_price": FieldDoc("Price of one packaging.", "Preço de uma embalagem.", "18.90"),
        "discount": FieldDoc("Discount of the line.", "Desconto da linha.", "0.00"),
        "taxes": FieldDoc("Taxes of the line on top of its price.", "Impostos da linha, além do preço."),
        "total": FieldDoc(
            "quantity x unit_price - discount, within 0.015; its taxes are not in it.",
            "quantity x unit_price - discount, com tolerância de 0,015; os impostos da linha não entram.",
            "37.80",
        ),
    },
    "Tax": {
        "kind": FieldDoc("Kind of tax.", "Tipo do imposto.", "IPI"),
        "value": FieldDoc("Amount of the tax.", "Valor do imposto.", "1.89"),
    },
    "CancelledData": {
        "reason": FieldDoc("Reason, for people.", "Motivo, para pessoas.", "O comprador desistiu."),
        "cancelled_at": FieldDoc("Time of the cancellation in the shop.", "Momento do cancelamento na loja.", _TIME),
    },
    "Rejected": {
        "reason": FieldDoc("Why the ERP refuses the order, for people.", "Por que o ERP recusa.", "Cliente bloqueado")
    },
    "ErpCancelledData": {"reason": FieldDoc("Reason, for people.", "Motivo, para pessoas.", "Cancelado a pedido.")},
    "CancelRefusedData": {
        "reason": FieldDoc(
            "Why the order can't be cancelled any more.", "Por que não pode ser cancelado.", "Já faturado."
        )
    },
    "InvoicedData": _INVOICED,
    "ShippedData": _SHIPPED,
    "_Invoiced": _INVOICED,
    "_Shipped": _SHIPPED,
    "_Refused": {
        "order_id": FieldDoc(
            "Id of the order; null if it could not be read.",
            "Id do pedido; null se não pôde ser lido.",
            "ord-2026-000123",
        ),
        "event_id": FieldDoc("Id of the event that was refused.", "Id do evento recusado.", "01JD4Y8Q"),
        "reasons": FieldDoc("Why it was refused.", "Por que foi recusado."),
    },
    "_Explained": {"reason": FieldDoc("Reason, for people.", "Motivo, para pessoas.", "Cliente bloqueado")},
    "_Stuck": {
        "reason": FieldDoc("Fault of the last attempt.", "Falha da última tentativa.", "HTTP 500"),
        "attempts": FieldDoc("Number of failed attempts.", "Número de tentativas que falharam.", 20),
    },
}
