"""Tables of the command line at 80 columns: a line a row where it can be, ids whole, and no JSON pointers."""

from __future__ import annotations

from rich.console import Console

from comporta.cli.output import for_people
from comporta.cli.tables import field_path, fitting

ID = "01a21f6f-cf21-70d8-958d-04cb86c9f6d7"
TIME = "2026-11-23 20:00:00-03:00"


def printed(columns: list[str], *cells: list[str], width: int = 80) -> list[str]:
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(fitting(columns, cells, width))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_what_fits_is_a_table_and_the_last_column_is_folded() -> None:
    lines = printed(["id", "shop", "sentence"], [ID, "main", "must equal the sum of the items and the freight"])
    assert lines[0].split() == ["id", "shop", "sentence"]
    assert lines[1].startswith(f"{ID}  main  must equal the sum")
    assert max(map(len, lines)) <= 80


def test_a_column_without_values_makes_room() -> None:
    lines = printed(["id", "at", "erp_number" * 5, "error"], [ID, TIME, "", "no"])
    assert lines == [f"{'id':36}  {'at':25}  error", f"{ID}  {TIME}  no"]


def test_a_row_that_does_not_fit_has_its_ids_whole_and_the_rest_by_name() -> None:
    columns = ["id", "at", "shop", "reason", "sentence"]
    lines = printed(
        columns, [ID, TIME, "main", "gtin_check_digit", "the check digit is wrong"], [ID, TIME, "x", "", ""]
    )
    assert lines[0] == "id  at  shop"
    assert lines[1] == f"{ID}  {TIME}  main"
    assert lines[2:] == [
        "    reason: gtin_check_digit",
        "    sentence: the check digit is wrong",
        f"{ID}  {TIME}  x",
    ]


def test_people_read_fields_and_no_pointers() -> None:
    assert field_path("/data/items/0/total") == "items 1 total"
    assert field_path("") == ""
    assert for_people("it can't be accepted: order_sum at /data/items/0/total: must equal") == (
        "it can't be accepted: order_sum in items 1 total: must equal"
    )
    assert for_people("look at /api/pauses") == "look at /api/pauses"
