"""`comporta validate`: warnings beside outcomes, for events and orders, as text and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from comporta.cli.main import app
from schemas.reasons import Reason
from schemas.warnings import WarningCode
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


def test_refusals_are_counted_by_reason(file: Path) -> None:
    lines = [*[price(price="-1")] * 11, price(minQty="2"), price()]
    done = validate(file, lines)
    assert "refused by reason: 11 not_positive, 1 misspelt_field; `comporta reason CODE` explains each" in done.stderr
    counted = json.loads(validate(file, lines, "--json").stdout)
    assert counted["refused_by_reason"] == {"not_positive": 11, "misspelt_field": 1}


def test_what_only_the_batches_decide_is_said(file: Path, tmp_path: Path, sqlite_url: str) -> None:
    file.write_bytes(b"".join(price_of_version(version) + b"\n" for version in (1, 3, 2, 4)))
    settings = {"COMPORTA_DATABASE_URL": sqlite_url}
    said = CliRunner().invoke(app, ["validate", str(file)], env=settings).stdout
    assert "read 4 = 3 applied + 1 superseded" in said
    assert "of the applied, up to 2 may be counted as superseded" in said.replace("\n", " ")
    counted = json.loads(CliRunner().invoke(app, ["validate", str(file), "--json"], env=settings).stdout)
    assert (counted["applied"], counted["superseded"], counted["applied_or_superseded"]) == (3, 1, 2)


def price_of_version(version: int) -> bytes:
    return sample_event("prices", envelope={"time": None, "sequence": str(version), "id": f"p{version}"}, price="9.90")


@pytest.mark.parametrize(("code", "said"), [("gtin_check_digit", "GTIN"), ("time_behind", "30 days")])
def test_a_code_is_explained(code: str, said: str) -> None:
    done = CliRunner().invoke(app, ["reason", code])
    assert (done.exit_code, said in done.stdout) == (0, True)
    assert json.loads(CliRunner().invoke(app, ["reason", code, "--json"]).stdout)["code"] == code


def test_an_unknown_code_is_named_with_the_nearest() -> None:
    done = CliRunner().invoke(app, ["reason", "gtin_check"])
    assert (done.exit_code, "did you mean gtin_check_digit?" in done.stderr) == (2, True)


def test_every_code_is_listed_once() -> None:
    listed = json.loads(CliRunner().invoke(app, ["reason", "--json"]).stdout)
    codes = [each["code"] for each in listed]
    assert len(codes) == len(set(codes))
    assert {*codes} == {reason.value for reason in Reason} | {code.value for code in WarningCode}
