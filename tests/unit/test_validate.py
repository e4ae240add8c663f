"""`comporta validate`: warnings beside outcomes, for events and orders, as text and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from comporta.cli.main import app
from tests.support.contract_samples import valid_sample
from tests.support.event_samples import sample_event


def validate(path: Path, lines: list[bytes], *options: str) -> Result:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return CliRunner().invoke(app, ["validate", "--offline", str(path), *options])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def price(**data: str) -> bytes:
    return sample_event("prices", envelope={"time": None}, **{"price": "9.90", **data})


def test_warnings_name_line_place_and_remedy_and_change_no_exit_code(file: Path) -> None:
    done = validate(file, [price(), price(minimum_qty="2", price="0.01")])
    assert (done.exit_code, "read 2 = 2 accepted" in done.stdout) == (0, True)
    assert "line 2: warning: unknown_field at /data/minimum_qty" in done.stderr
    assert "did you mean min_qty?" in done.stderr
    assert "line 2: warning: price_tiny at /data/price" in done.stderr


def test_programs_get_each_warning_with_its_line_and_the_number_by_code(file: Path) -> None:
    done = json.loads(validate(file, [price(), *[price(colour="x")] * 1_200], "--json").stdout)
    assert (done["accepted"], done["warnings_by_code"], len(done["warnings"])) == (
        1_201,
        {"unknown_field": 1_200},
        1_000,
    )
    assert (done["warnings"][0]["line"], done["warnings"][0]["pointer"]) == (2, "/data/colour")


def test_without_warnings_nothing_is_said_of_them(file: Path) -> None:
    assert json.loads(validate(file, [price()], "--json").stdout) == {"read": 1, "accepted": 1}


def test_a_misspelt_field_is_refused_in_a_change_and_a_warning_in_an_order(file: Path) -> None:
    order = json.loads(valid_sample("orders", "orders-least").body)
    order["data"]["priceTable"] = "V"
    done = validate(file, [price(minQty="2"), json.dumps(order).encode()])
    assert (done.exit_code, "1 accepted + 1 refused" in done.stdout) == (1, True)
    assert "line 1: misspelt_field at /data/minQty: is misspelt: the field is min_qty" in done.stderr
    assert "line 2: warning: misspelt_field at /data/priceTable" in done.stderr


def test_an_order_that_would_be_refused_is_refused_for_its_own_reason(file: Path) -> None:
    order = json.loads(valid_sample("orders", "orders-least").body)
    order["data"]["order_id"] = "O1 "
    done = validate(file, [json.dumps(order).encode()])
    assert done.exit_code == 1
    assert "line 1: key_format at /data/order_id" in done.stderr
