"""The wholesaler's transactions: as a stream of events, and as what an ERP knows."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
import pytest

from comporta.simulator.catalogue import Catalogue
from comporta.simulator.erp import Faults, SimulatedErp
from comporta.simulator.retail import Spread, retail_catalogue, retail_events, retail_orders
from comporta.simulator.sources import catalogue_from, orders_from
from schemas.orders import parse_order
from tests.support.simulator_messages import order_body, parse_message, refusal_reason, sequences

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def sales(folder: Path, *rows: str) -> Path:
    path = folder / "sales.csv.xz"
    path.write_bytes(lzma.compress("\r\n".join([HEADER, *rows, ""]).encode()))
    return path


def told(path: Path, domain: str) -> list[dict[str, Any]]:
    return [orjson.loads(m.body)["data"] for m in retail_events(path, shops=1) if m.domain == domain]


class TestTheSales:
    def test_introduce_a_code_once_by_its_first_row(self, tmp_path: Path) -> None:
        path = sales(
            tmp_path,
            "1,T1,TEA CUP ,6.0,2010-12-01 08:26:00,2.5,900.0,Portugal",
            "2,T1,CUP,1.0,2010-12-01 08:27:00,2.5,900.0,Portugal",
        )
        assert told(path, "products") == [{"code": "T1", "name": "TEA CUP", "active": True, "base_unit": "UN"}]
        assert [customer["document"] for customer in told(path, "customers")] == ["900"]

    def test_tell_each_new_unit_price_of_a_code_once(self, tmp_path: Path) -> None:
        prices = ("2.50", "2.5", "3", "2.5", "0.0", "-11.5", "", "free")
        path = sales(tmp_path, *(f"1,T1,CUP,1,2010-12-01 08:26:00,{price},,Portugal" for price in prices))
        assert [price["price"] for price in told(path, "prices")] == ["2.50", "3"]
        assert [table["currency"] for table in told(path, "price_tables")] == ["GBP"]

    def test_move_a_running_balance_and_bring_returns_back(self, tmp_path: Path) -> None:
        rows = [
            f"C{n},T1,CUP,{quantity},2010-12-01 08:26:00,1,,Portugal" for n, quantity in enumerate(("6.0", "-2", ""))
        ]
        assert [balance["on_hand"] for balance in told(sales(tmp_path, *rows), "stock")] == ["-6.0", "-4.0"]

    def test_name_a_product_without_description_by_its_code(self, tmp_path: Path) -> None:
        path = sales(tmp_path, "1,BANK CHARGES,,1.0,2010-12-01 08:26:00,0.0,,Portugal")
        assert [product["name"] for product in told(path, "products")] == ["BANK CHARGES"]
        assert told(path, "customers") == []

    @pytest.mark.parametrize("date", ["12/1/2010 8:26", "2010-12-01 08:26:00", "2010-12-01T08:26"])
    def test_are_read_with_either_way_of_writing_a_time(self, tmp_path: Path, date: str) -> None:
        [balance] = told(sales(tmp_path, f"1,T1,CUP,1,{date},1,,Portugal"), "stock")
        assert balance["as_of"] == "2010-12-01T08:26:00Z"

    def test_skip_rows_that_are_cut_short_or_name_no_code(self, tmp_path: Path) -> None:
        path = sales(tmp_path, "1,T1,CUP", "", "1, ,CUP,1,2010-12-01 08:26:00,1,,Portugal")
        assert list(retail_events(path)) == []

    def test_are_all_accepted_however_dirty(self, tmp_path: Path) -> None:
        rows = [
            f"{invoice},{code},{text},{quantity},2010-12-01 08:26:00,{price},{customer},Portugal"
            for invoice, code, text, quantity, price, customer in [
                ("1", "T1", '"A ""cup"", blue"', "6.0", "2.55", "900.0"),
                ("C2", "t1", "\u00e9\\", "-6.0", "0.0", ""),
                ("A3", "POST", "?", "-9360.0", "-11062.06", "901"),
                ("4", "gift_0001_20", " ", "80995.0", "38970.0", "x"),
            ]
        ]
        messages = list(retail_events(sales(tmp_path, *rows), shops=1))
        assert [refusal_reason(message) for message in messages if refusal_reason(message)] == []
        assert not any(parse_message(message).unknown for message in messages)
        assert sequences(messages) == list(range(1, len(messages) + 1))

    @pytest.mark.parametrize("spread", ["country", "invoice"])
    def test_fall_to_a_shop_by_a_stable_hash(self, tmp_path: Path, spread: Spread) -> None:
        countries = ("Portugal", "Japan", "Norway", "Italy", "Malta")
        rows = [f"{n},T{n},CUP,1,2010-12-01 08:26:00,1,,{country}" for n, country in enumerate(countries)]
        placed = {
            parse_message(m).key[0]: m.shop
            for m in retail_events(sales(tmp_path, *rows), spread=spread)
            if m.domain == "products"
        }
        places = countries if spread == "country" else ("0", "1", "2", "3", "4")
        assert placed == {f"T{n}": f"shop-{crc32(place.encode()) % 4 + 1}" for n, place in enumerate(places)}

    def test_with_another_header_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "other.csv.xz"
        path.write_bytes(lzma.compress(b"a,b\r\n"))
        with pytest.raises(ValueError, match="InvoiceNo"):
            next(retail_events(path))


class TestACatalogueFromTheSales:
    ROWS = (
        "1,T1,TEA CUP,6.0,2010-12-01 08:26:00,2.5,900.0,Portugal",
        "2,T2,SPOON,1,2010-12-01 08:27:00,4,900.0,Portugal",
        "3,T1,CUP,4.0,2010-12-01 08:28:00,3,901.0,Japan",
    )

    def catalogue(self, folder: Path) -> Catalogue:
        return retail_catalogue(sales(folder, *self.ROWS))

    def test_holds_the_last_balance_and_price_of_every_product(self, tmp_path: Path) -> None:
        catalogue = self.catalogue(tmp_path)
        assert [product["name"] for product in catalogue.products] == ["TEA CUP", "SPOON"]
        assert [price["price"] for price in catalogue.prices] == ["3", "4"]
        assert [balance["on_hand"] for balance in catalogue.stock] == ["-10.0", "-1"]
        assert [customer["code"] for customer in catalogue.customers] == ["900", "901"]
        assert len(catalogue.price_tables) == 1

    def test_feeds_a_simulated_erp_whose_events_are_accepted(self, tmp_path: Path) -> None:
        faults = Faults(duplicates=0, reordered=0, bad=0, deletes=0)
        erp = SimulatedErp(1, "main", self.catalogue(tmp_path), faults=faults)
        changes = erp.changes()
        messages = [*erp.initial_load(), *(next(changes) for _ in range(300))]
        assert [refusal_reason(message) for message in messages if refusal_reason(message)] == []

    @pytest.mark.parametrize("name", ["sales.csv", "sales.csv.xz"])
    def test_is_read_compressed_or_not(self, tmp_path: Path, name: str) -> None:
        text = "\r\n".join([HEADER, *self.ROWS, ""]).encode()
        path = tmp_path / name
        path.write_bytes(lzma.compress(text) if name.endswith(".xz") else text)
        assert catalogue_from(str(path)) == self.catalogue(tmp_path)


class TestOrdersFromTheSales:
    ROWS = (
        "1,T1,TEA CUP,6.0,2010-12-01 08:26:00,2.55,900.0,Portugal",
        "1,T2,SPOON,2,2010-12-01 08:26:00,0.0,900.0,Portugal",
        "1,T1,TEA CUP,-1,2010-12-01 08:26:00,2.55,900.0,Portugal",
        "C2,T1,TEA CUP,-6,2010-12-01 08:27:00,2.55,900.0,Portugal",
        "A3,B,Adjust bad debt,1,2010-12-01 08:28:00,-11062.06,,Portugal",
        "4,T3, ,3,12/1/2010 8:29,1.1,,Japan",
    )

    def test_are_one_an_invoice_with_what_was_bought(self, tmp_path: Path) -> None:
        first, last = retail_orders(sales(tmp_path, *self.ROWS))
        assert (first["order_id"], first["placed_at"], first["total"]) == ("1", "2010-12-01T08:26:00Z", "15.300")
        assert [item["product_code"] for item in first["items"]] == ["T1", "T2"]
        assert (first["customer"]["document"], last["customer"]["document"]) == ("900", "guest")

    def test_are_all_taken(self, tmp_path: Path) -> None:
        for order in retail_orders(sales(tmp_path, *self.ROWS)):
            assert json.loads(parse_order("main", order_body(order)).payload) == order

    def test_are_the_first_of_a_long_file(self, tmp_path: Path) -> None:
        rows = (f"{n},T1,CUP,1,2010-12-01 08:26:00,1,,Portugal" for n in range(2_100))
        orders = orders_from(str(sales(tmp_path, *rows)))
        assert [order["order_id"] for order in orders] == [str(n) for n in range(2_000)]

    def test_are_asked_for_where_there_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no invoice that could be an order"):
            orders_from(str(sales(tmp_path, *self.ROWS[3:5])))
