"""Descriptions of the seven tables that the shop reads, by table and column."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ENTITY_DOCS", "VERSION_DOCS", "TableDoc"]

# The description of a table, and those of its columns.
TableDoc = tuple[str, Mapping[str, str]]

_PRODUCT = "Code of the product: products.code."

# The columns that each of the seven tables has beside its fields.
VERSION_DOCS: Mapping[str, str] = {
    "shop": "Id of the shop that the row belongs to.",
    "version": "Version of the row: the event's sequence, or its time in microseconds since 1970. "
    "The lowest bigint after the version was forgotten.",
    "event_id": "Id of the event that the row comes from; of two events with one version the higher id wins.",
    "deleted": "Whether the ERP deleted the entity. The row then is a tombstone: its key and these columns remain, "
    "every other column is null.",
    "occurred_at": "Time of the change by the event (its time); null if the event has none.",
    "applied_at": "Time of the transaction that wrote this version, by the database's clock. "
    "No cursor for a poll: commits come out of order.",
}

ENTITY_DOCS: Mapping[str, TableDoc] = {
    "products": (
        "Items for sale, one row a product.",
        {
            "code": "Code of the product in the ERP.",
            "name": "Name for customers.",
            "active": "Whether the product is for sale.",
            "base_unit": "Unit that stock and factors count in, such as UN or KG.",
            "ncm": "NCM, the fiscal class: 8 digits.",
            "cest": "CEST, the code of tax substitution.",
            "gtin": "GTIN of the base unit, with a right check digit, or SEM GTIN.",
            "brand": "Brand.",
            "category_path": "Category from the root to the leaf: a JSON list of texts.",
            "description": "Long text for customers.",
            "net_weight_kg": "Weight of a base unit without packaging, in kg.",
            "gross_weight_kg": "Weight of a base unit with packaging, in kg.",
            "height_cm": "Height of a base unit, in cm.",
            "width_cm": "Width of a base unit, in cm.",
            "length_cm": "Length of a base unit, in cm.",
            "fractional": "Whether fractions of the base unit are sold, such as 1.25 KG.",
            "variant_of": "Code of the product that this one is a variant of.",
            "attributes": "Further properties: a JSON object of texts, such as colour and size.",
        },
    ),
    "images": (
        "Pictures of products, by address; the files are not stored here.",
        {
            "product_code": _PRODUCT,
            "image_id": "Id of the image, unique in its product.",
            "url": "Address of the file, http or https.",
            "position": "Place among the product's images, from 0; the lowest is shown first.",
            "alt": "Text for those who do not see the image.",
            "content_hash": "Hash of the file, as the ERP computes it: it changes when the content does.",
        },
    ),
    "packagings": (
        "Units that a product is sold in.",
        {
            "product_code": _PRODUCT,
            "packaging_code": "Code of the packaging, unique in its product.",
            "unit": "Unit of the packaging, such as CX.",
            "factor": "Number of base units in one packaging.",
            "barcodes": "Barcodes: a JSON list of objects with value and type.",
            "sellable": "Whether the shop may sell this packaging.",
            "min_multiple": "Number of packagings that an order must be a multiple of; null: any.",
            "gross_weight_kg": "Weight of one packaging, in kg.",
        },
    ),
    "price_tables": (
        "Named lists of prices in one currency. The view current_price_tables shows those that are valid now.",
        {
            "table_code": "Code of the price table.",
            "name": "Name of the price table.",
            "currency": "Currency of its prices: a code of ISO 4217, such as BRL.",
            "active": "Whether its prices count at all.",
            "valid_from": "Begin of the validity; null: always.",
            "valid_to": "End of the validity, itself excluded; null: no end.",
        },
    ),
    "prices": (
        "Prices of packagings, by table, least quantity and begin. The view current_prices shows those that count now.",
        {
            "table_code": "Code of the price table: price_tables.table_code.",
            "product_code": _PRODUCT,
            "packaging_code": "Code of the packaging that the price is for; empty: the base unit. "
            "No price for a packaging means none, not the base unit's price times the factor.",
            "min_qty": "Least quantity, in packagings, that the price is for.",
            "valid_from": "Begin of the validity; 1970-01-01T00:00:00Z if none was sent.",
            "price": "Price of one packaging, in the currency of the table.",
            "list_price": "Price before a reduction, to be shown crossed out.",
            "valid_to": "End of the validity, itself excluded; null: no end.",
            "active": "Whether the price counts at all.",
        },
    ),
    "stock": (
        "Stock balances, one row for each lot in a warehouse of a branch. The view sellable_stock sums them up.",
        {
            "product_code": _PRODUCT,
            "branch": "Branch that owns the stock.",
            "warehouse": "Warehouse that it lies in.",
            "lot": "Lot; empty: not kept by lot.",
            "on_hand": "Quantity at hand, in unit; may be negative.",
            "reserved": "Quantity at hand that is promised already; null: not sent.",
            "available": "Quantity that can be promised: on_hand - reserved; null: not sent.",
            "unit": "Unit of the quantities.",
            "as_of": "Time at which the balance was so in the ERP.",
        },
    ),
    "customers": (
        "Buyers. Personal data: grant this table only to those who need it.",
        {
            "code": "Code of the customer in the ERP.",
            "kind": "PF: a person; PJ: a company; foreign.",
            "document": "CPF (PF), CNPJ (PJ) or a foreign id, without punctuation.",
            "name": "Name of the person, or registered name of the company.",
            "trade_name": "Name that the company trades under.",
            "state_registration": "State registration (IE).",
            "email": "E-mail address.",
            "phones": "Phone numbers: a JSON list of texts.",
            "addresses": "Addresses: a JSON list of objects with kind, street, number, complement, district, city, "
            "city_ibge, state, zip and country.",
            "status": "active, inactive or blocked.",
            "price_table": "Code of the customer's price table: price_tables.table_code.",
            "payment_term": "Payment term, as the ERP names it.",
            "seller": "Seller, as the ERP names it.",
            "credit_limit": "Credit limit; null: not sent.",
        },
    ),
}
