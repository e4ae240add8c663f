"""Field descriptions of the seven domains' change events."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.field_doc import FieldDoc

__all__ = ["DOMAIN_FIELD_DOCS"]

_TIME = "2026-11-23T07:22:51Z"
_PRODUCT = FieldDoc("Code of the product: products.code.", "Código do produto: products.code.", "7891000")
_TABLE = FieldDoc(
    "Code of the price table: price_tables.table_code.", "Código da tabela: price_tables.table_code.", "VAREJO"
)
_UNTIL = FieldDoc(
    "End of the validity, itself excluded; null: no end.", "Fim da validade, não incluído; null: sem fim.", _TIME
)

DOMAIN_FIELD_DOCS: Mapping[str, Mapping[str, FieldDoc]] = {
    "Product": {
        "name": FieldDoc("Name for customers.", "Nome para os clientes.", "Café torrado 500 g"),
        "active": FieldDoc("Whether the product is for sale.", "Se o produto está à venda.", True),
        "base_unit": FieldDoc(
            "Unit that stock and factors count in.", "Unidade em que estoque e fatores são contados.", "UN"
        ),
        "ncm": FieldDoc("NCM, the fiscal class.", "NCM, a classificação fiscal.", "09012100"),
        "cest": FieldDoc(
            "CEST, the code of tax substitution.", "CEST, o código da substituição tributária.", "1709600"
        ),
        "gtin": FieldDoc(
            "GTIN of the base unit, with a right check digit, or SEM GTIN.",
            "GTIN da unidade base, com dígito verificador correto, ou SEM GTIN.",
            "7891000315507",
        ),
        "brand": FieldDoc("Brand.", "Marca.", "Serra Alta"),
        "category_path": FieldDoc(
            "Category from the root to the leaf.", "Categoria, da raiz à folha.", ["Mercearia", "Café"]
        ),
        "description": FieldDoc("Long text for customers.", "Texto longo para os clientes.", "Torra média, moído."),
        "net_weight_kg": FieldDoc(
            "Weight of a base unit without packaging, in kg.", "Peso líquido de uma unidade base, em kg.", "0.500"
        ),
        "gross_weight_kg": FieldDoc(
            "Weight of a base unit with packaging, in kg.", "Peso bruto de uma unidade base, em kg.", "0.520"
        ),
        "height_cm": FieldDoc("Height of a base unit, in cm.", "Altura de uma unidade base, em cm.", "18.5"),
        "width_cm": FieldDoc("Width of a base unit, in cm.", "Largura de uma unidade base, em cm.", "9"),
        "length_cm": FieldDoc("Length of a base unit, in cm.", "Comprimento de uma unidade base, em cm.", "6"),
        "fractional": FieldDoc(
            "Whether fractions of the base unit are sold, such as 1.25 KG.",
            "Se frações da unidade base são vendidas, como 1,25 KG.",
            False,
        ),
        "variant_of": FieldDoc(
            "Code of the product that this one is a variant of.", "Código do produto de que este é variação.", "7890999"
        ),
        "attributes": FieldDoc(
            "Further properties, texts by name.", "Outras características, textos por nome.", {"Torra": "média"}
        ),
    },
    "ProductKey": {"code": FieldDoc("Code of the product in the ERP.", "Código do produto no ERP.", "7891000")},
    "ImageKey": {
        "product_code": _PRODUCT,
        "image_id": FieldDoc("Id of the image, unique in its product.", "Id da imagem, único no produto.", "1"),
    },
    "Image": {
        "url": FieldDoc("Address of the file.", "Endereço do arquivo.", "https://cdn.example/7891000/1.jpg"),
        "position": FieldDoc(
            "Place among the product's images, from 0; the lowest is shown first.",
            "Lugar entre as imagens do produto, a partir de 0; a menor aparece primeiro.",
            0,
        ),
        "alt": FieldDoc(
            "Text for those who do not see the image.", "Texto para quem não vê a imagem.", "Pacote de café de 500 g"
        ),
        "content_hash": FieldDoc(
            "Hash of the file, as the ERP computes it: it changes when the content does.",
            "Hash do arquivo, como o ERP o calcula: muda quando o conteúdo muda.",
            "9f86d081884c7d65",
        ),
    },
    "PackagingKey": {
        "product_code": _PRODUCT,
        "packaging_code": FieldDoc(
            "Code of the packaging, unique in its product.", "Código da embalagem, único no produto.", "CX12"
        ),
    },
    "Packaging": {
        "unit": FieldDoc("Unit of the packaging.", "Unidade da embalagem.", "CX"),
        "factor": FieldDoc(
            "Number of base units in one packaging.", "Número de unidades base em uma embalagem.", "12.000"
        ),
        "barcodes": FieldDoc("Barcodes of the packaging.", "Códigos de barras da embalagem."),
        "sellable": FieldDoc(
            "Whether the shop may sell this packaging.", "Se a loja pode vender esta embalagem.", True
        ),
        "min_multiple": FieldDoc(
            "Number of packagings that an order must be a multiple of; null: any.",
            "Número de embalagens de que o pedido deve ser múltiplo; null: qualquer.",
            "1",
        ),
        "gross_weight_kg": FieldDoc("Weight of one packaging, in kg.", "Peso bruto de uma embalagem, em kg.", "6.300"),
    },
    "Barcode": {
        "value": FieldDoc("The barcode.", "O código de barras.", "17891000315504"),
        "type": FieldDoc(
            "Kind of barcode; of one that begins with GTIN, EAN or UPC the check digit is verified.",
            "Tipo do código; se começar com GTIN, EAN ou UPC, o dígito verificador é conferido.",
            "EAN-14",
        ),
    },
    "PriceTableKey": {"table_code": FieldDoc("Code of the price table.", "Código da tabela de preços.", "VAREJO")},
    "PriceTable": {
        "name": FieldDoc("Name of the price table.", "Nome da tabela de preços.", "Varejo"),
        "currency": FieldDoc("Currency of its prices (ISO 4217).", "Moeda dos preços (ISO 4217).", "BRL"),
        "active": FieldDoc("Whether its prices count at all.", "Se os preços dela valem.", True),
        "valid_from": FieldDoc("Begin of the validity; null: always.", "Início da validade; null: sempre.", _TIME),
        "valid_to": _UNTIL,
    },
    "PriceKey": {
        "table_code": _TABLE,
        "product_code": _PRODUCT,
        "packaging_code": FieldDoc(
            "Code of the packaging that the price is for; empty: the base unit. No price for a packaging means none, "
            "not the base unit's price times the factor.",
            "Código da embalagem a que o preço se refere; vazio: a unidade base. Sem preço para uma embalagem, não há "
            "preço: não vale o da unidade base vezes o fator.",
            "CX12",
        ),
        "min_qty": FieldDoc(
            "Least quantity, in packagings, that the price is for.",
            "Menor quantidade, em embalagens, a que o preço se refere.",
            "1",
        ),
        "valid_from": FieldDoc(
            "Begin of the validity; without it 1970-01-01T00:00:00Z.",
            "Início da validade; sem ele, 1970-01-01T00:00:00Z.",
            _TIME,
        ),
    },
    "Price": {
        "price": FieldDoc(
            "Price of one packaging, in the currency of the table.",
            "Preço de uma embalagem, na moeda da tabela.",
            "18.90",
        ),
        "list_price": FieldDoc(
            "Price before a reduction, to be shown crossed out.", "Preço antes do desconto, mostrado riscado.", "21.90"
        ),
        "valid_to": _UNTIL,
        "active": FieldDoc("Whether the price counts at all.", "Se o preço vale.", True),
    },
    "StockKey": {
        "product_code": _PRODUCT,
        "branch": FieldDoc("Branch that owns the stock.", "Filial dona do estoque.", "1"),
        "warehouse": FieldDoc("Warehouse that it lies in.", "Depósito em que está.", "MATRIZ"),
        "lot": FieldDoc("Lot; empty: not kept by lot.", "Lote; vazio: sem controle por lote.", "L2301"),
    },
    "Stock": {
        "on_hand": FieldDoc(
            "Quantity at hand, in unit; may be negative.",
            "Quantidade em estoque, em unit; pode ser negativa.",
            "12.000",
        ),
        "reserved": FieldDoc(
            "Quantity at hand that is promised already.", "Quantidade em estoque já reservada.", "2.000"
        ),
        "available": FieldDoc(
            "Quantity that can be promised: on_hand - reserved.",
            "Quantidade que se pode prometer: on_hand - reserved.",
            "10.000",
        ),
        "unit": FieldDoc("Unit of the quantities.", "Unidade das quantidades.", "UN"),
        "as_of": FieldDoc(
            "Time at which the balance was so in the ERP.", "Momento em que o saldo era esse no ERP.", _TIME
        ),
    },
    "CustomerKey": {"code": FieldDoc("Code of the customer in the ERP.", "Código do cliente no ERP.", "C-1029")},
    "Customer": {
        "kind": FieldDoc(
            "PF: a person; PJ: a company; foreign.", "PF: pessoa; PJ: empresa; foreign: do exterior.", "PJ"
        ),
        "document": FieldDoc(
            "CPF (PF), CNPJ (PJ) or a foreign id, without punctuation.",
            "CPF (PF), CNPJ (PJ) ou documento estrangeiro, sem pontuação.",
            "12ABC34501DE35",
        ),
        "name": FieldDoc(
            "Name of the person, or registered name of the company.", "Nome da pessoa ou razão social.", "Loja Sul Ltda"
        ),
        "trade_name": FieldDoc("Name that the company trades under.", "Nome fantasia.", "Loja Sul"),
        "state_registration": FieldDoc("State registration (IE).", "Inscrição estadual.", "ISENTO"),
        "email": FieldDoc("E-mail address.", "E-mail.", "compras@lojasul.example"),
        "phones": FieldDoc("Phone numbers.", "Telefones.", ["+55 51 3333-0000"]),
        "addresses": FieldDoc("Postal addresses.", "Endereços."),
        "status": FieldDoc(
            "active, inactive or blocked.", "active (ativo), inactive (inativo) ou blocked (bloqueado).", "active"
        ),
        "price_table": FieldDoc(
            "Code of the customer's price table: price_tables.table_code.",
            "Código da tabela de preços do cliente: price_tables.table_code.",
            "ATACADO",
        ),
        "payment_term": FieldDoc(
            "Payment term, as the ERP names it.", "Prazo de pagamento, como o ERP o chama.", "30/60"
        ),
        "seller": FieldDoc("Seller, as the ERP names it.", "Vendedor, como o ERP o chama.", "V12"),
        "credit_limit": FieldDoc(
            "Credit limit, in the currency of the price table.",
            "Limite de crédito, na moeda da tabela de preços.",
            "5000.00",
        ),
    },
    "Address": {
        "kind": FieldDoc("What the address is for.", "Para que serve o endereço.", "delivery"),
        "street": FieldDoc("Street.", "Logradouro.", "Rua das Flores"),
        "number": FieldDoc("Number of the house.", "Número.", "100"),
        "complement": FieldDoc("Further part of the address.", "Complemento.", "Sala 2"),
        "district": FieldDoc("District.", "Bairro.", "Centro"),
        "city": FieldDoc("City.", "Cidade.", "Porto Alegre"),
        "city_ibge": FieldDoc("IBGE code of the municipality.", "Código IBGE do município.", "4314902"),
        "state": FieldDoc("State.", "UF.", "RS"),
        "zip": FieldDoc("Postal code.", "CEP.", "90010-000"),
        "country": FieldDoc("Country.", "País.", "BR"),
    },
}
