"""NF-e 4.00 source: a catalogue and orders from the sample Brazilian invoices in nfelib."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from pydantic import ValidationError

from comporta.simulator.catalogue import Catalogue
from comporta.simulator.messages import Data, order_total
from schemas.customers import Customer

__all__ = ["PRICE_TABLE", "SimulatorDataMissing", "nfe_catalogue", "nfe_orders"]

PRICE_TABLE = "NFE"
_NAMESPACE = {"": "http://www.portalfiscal.inf.br/nfe"}
_KINDS = {"CPF": "PF", "CNPJ": "PJ", "idEstrangeiro": "foreign"}
_PRODUCT = {"code": "cProd", "name": "xProd", "base_unit": "uCom", "ncm": "NCM", "cest": "CEST", "gtin": "cEAN"}
_ITEM = {"product_code": "cProd", "quantity": "qCom", "unit_price": "vUnCom", "discount": "vDesc"}
# The taxes that an invoice adds to the price of an item.
_TAXES = {"IPI": "imposto/IPI/IPITrib/vIPI", "ICMS-ST": "imposto/ICMS/*/vICMSST"}
_BUYER = ("code", "document", "name", "email", "phones")
_PAYMENTS = {"01": "cash", "15": "boleto", "17": "pix"}
_FREIGHTS = {"0": "CIF", "1": "FOB"}
_ADDRESS = {
    "street": "xLgr",
    "number": "nro",
    "complement": "xCpl",
    "district": "xBairro",
    "city": "xMun",
    "city_ibge": "cMun",
    "state": "UF",
    "zip": "CEP",
    "country": "xPais",
}


class SimulatorDataMissing(RuntimeError):
    """Error for missing sample invoices: nfelib is not installed."""

    def __init__(self) -> None:
        super().__init__("the simulator's sample invoices are missing: pip install 'comporta[demo]'")


def nfe_catalogue() -> Catalogue:
    """Return the catalogue of all sample invoices; raises `SimulatorDataMissing` without nfelib."""
    invoices = list(_invoices())
    lines = [(invoice, line) for invoice in invoices for line in invoice.iterfind("det/prod", _NAMESPACE)]
    return Catalogue(
        products=_first_of("code", (_fields(line, _PRODUCT) | {"active": True} for _, line in lines)),
        price_tables=({"table_code": PRICE_TABLE, "name": "Notas fiscais", "currency": "BRL", "active": True},),
        prices=_first_of("product_code", chain.from_iterable(_prices(line) for _, line in lines)),
        stock=_balances(lines),
        customers=_first_of("code", chain.from_iterable(_customers(invoice) for invoice in invoices)),
    )


def nfe_orders() -> Iterator[Data]:
    """Yield the order behind each sample invoice, taxes on top; raises `SimulatorDataMissing` without nfelib."""
    for invoice in _invoices():
        for customer in _customers(invoice):
            yield _order(invoice, customer)


def _order(invoice: Element, customer: Data) -> Data:
    items = [_item(line, entry) for line, entry in enumerate(invoice.iterfind("det", _NAMESPACE), 1)]
    freight = Decimal(_text(invoice, "total/ICMSTot/vFrete") or 0)
    dues = len(invoice.findall("cobr/dup", _NAMESPACE))
    order = {
        "order_id": _text(invoice, "ide/nNF"),
        "placed_at": _text(invoice, "ide/dhEmi"),
        "branch": _text(invoice, "emit/CNPJ"),
        "customer": {name: customer[name] for name in _BUYER if name in customer},
        "currency": "BRL",
        "price_table": PRICE_TABLE,
        "payment": {
            "method": _PAYMENTS.get(_text(invoice, "pag/detPag/tPag"), "other"),
            **({"installments": dues} if dues else {}),
        },
        "freight": _freight(invoice) | {"value": f"{freight:f}"},
        "items": items,
        **_fields(invoice, {"insurance": "total/ICMSTot/vSeg", "other_charges": "total/ICMSTot/vOutro"}),
        "delivery_address": _fields(invoice, {name: f"dest/enderDest/{path}" for name, path in _ADDRESS.items()}),
    }
    return {**order, "total": f"{order_total(order):f}"}


def _item(line: int, entry: Element) -> Data:
    product = entry.find("prod", _NAMESPACE)
    assert product is not None  # The XML schema requires it.
    total = Decimal(_text(product, "vProd")) - Decimal(_text(product, "vDesc") or 0)
    taxes = [
        {"kind": kind, "value": value}
        for kind, path in _TAXES.items()
        if (value := next((found.text or "" for found in entry.iterfind(path, _NAMESPACE)), "")) and Decimal(value)
    ]
    return {
        "line": line,
        **_fields(product, _ITEM),
        **({"taxes": taxes} if taxes else {}),
        "total": f"{total:f}",
    }


def _freight(invoice: Element) -> Data:
    kind = _FREIGHTS.get(_text(invoice, "transp/modFrete"))
    return ({"type": kind} if kind else {}) | _fields(invoice, {"carrier": "transp/transporta/xNome"})


def _invoices() -> Iterator[Element]:
    # Not imported: only its files are of use, and the image has nothing else of it.
    found = find_spec("nfelib")
    folders = found.submodule_search_locations or () if found else ()
    samples = next((Path(folder) / "nfe" / "samples" / "v4_0" for folder in folders), None)
    if samples is None or not samples.is_dir():
        raise SimulatorDataMissing
    for document in _xml_files(samples):
        yield from ElementTree.fromstring(document.read_bytes()).iter(f"{{{_NAMESPACE['']}}}infNFe")


def _xml_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.xml"), key=lambda path: path.parts)


def _text(element: Element, path: str) -> str:
    return (element.findtext(path, "", _NAMESPACE) or "").strip()


def _fields(element: Element, names: dict[str, str]) -> Data:
    return {field: text for field, path in names.items() if (text := _text(element, path))}


def _first_of(key: str, rows: Iterable[Data]) -> tuple[Data, ...]:
    first: dict[str, Data] = {}
    for row in rows:
        first.setdefault(row[key], row)
    return tuple(first.values())


def _prices(line: Element) -> Iterator[Data]:
    price = _text(line, "vUnCom")
    if Decimal(price) > 0:
        yield {
            "table_code": PRICE_TABLE,
            "product_code": _text(line, "cProd"),
            "packaging_code": "",
            "min_qty": "1",
            "valid_from": "1970-01-01T00:00:00Z",
            "price": price,
            "list_price": price,
        }


def _balances(lines: Iterable[tuple[Element, Element]]) -> tuple[Data, ...]:
    balances: dict[tuple[str, str], Data] = {}
    for invoice, line in lines:
        code, branch = _text(line, "cProd"), _text(invoice, "emit/CNPJ")
        before = balances.get((code, branch), {"on_hand": "0"})
        balances[code, branch] = {
            "product_code": code,
            "branch": branch,
            "warehouse": "MATRIZ",
            "lot": "",
            "on_hand": f"{Decimal(before['on_hand']) + Decimal(_text(line, 'qCom')):f}",
            "unit": _text(line, "uCom"),
            "as_of": _text(invoice, "ide/dhEmi"),
        }
    return tuple(balances.values())


def _customers(invoice: Element) -> Iterator[Data]:
    for recipient in invoice.iterfind("dest", _NAMESPACE):
        customer = _customer(recipient)
        if _is_valid(customer):
            yield customer


def _is_valid(customer: Data) -> bool:
    try:
        Customer.model_validate(customer)
    except ValidationError:
        return False
    return True


def _customer(recipient: Element) -> Data:
    field, kind = next((pair for pair in _KINDS.items() if _text(recipient, pair[0])), ("", ""))
    document = _text(recipient, field) if field else ""
    address = _fields(recipient, {name: f"enderDest/{path}" for name, path in _ADDRESS.items()})
    phone = _text(recipient, "enderDest/fone")
    return {
        "code": document,
        "kind": kind,
        "document": document,
        **_fields(recipient, {"name": "xNome", "state_registration": "IE", "email": "email"}),
        **({"phones": [phone]} if phone else {}),
        **({"addresses": [{"kind": "main", **address}]} if address else {}),
        "status": "active",
        "price_table": PRICE_TABLE,
    }
