"""`comporta operator add`, `list` and `remove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from comporta.cli.options import shop_ids
from comporta.cli.output import AsJson, console, fail, print_json, print_rows
from comporta.runtime.settings import PREFIX, load_settings
from control.auth.operators import OperatorsUnreadable, read_operators
from control.auth.tokens import Role

__all__ = ["operator_app"]

operator_app = typer.Typer(no_args_is_help=True, help="Operators, who may use the page and the API.")

Name = Annotated[str, typer.Argument(help="Name of the operator, as the audit shows it.")]
File = Annotated[Path | None, typer.Option("--file", help="The operators file; by default COMPORTA_OPERATORS_FILE.")]


@operator_app.command()
def add(
    name: Name,
    role: Annotated[
        Role, typer.Option(help="viewer may only read; operator may also act; erp reads its own shops' events alone.")
    ],
    shop: Annotated[
        list[str] | None,
        typer.Option(metavar="SHOP", callback=shop_ids, help="A shop that the role erp is bound to; may be repeated."),
    ] = None,
    file: File = None,
) -> None:
    """Add an operator, and print the token: once, alone on the last line."""
    # Loaded here, as below: every other command would wait for the library that writes TOML.
    from control.auth.operators_edit import OperatorsUnchanged, add_operator

    shops = list(dict.fromkeys(shop or ()))
    if bool(shops) != (role is Role.ERP):
        raise fail("--role erp requires --shop SHOP, which the other roles do not take: they see every shop", 2)
    path = _file(file)
    try:
        token = add_operator(path, name, role, shops)
    except (OperatorsUnchanged, OperatorsUnreadable) as error:
        raise fail(str(error)) from None
    console.print(
        f"{name} is now {_with_article(role)}{_of_shops(shops)} in {path}. This is the token; it can't be shown again:",
        markup=False,
        soft_wrap=True,
    )
    typer.echo(token)


@operator_app.command("list")
def list_(file: File = None, as_json: AsJson = False) -> None:
    """List the operators with their roles."""
    path = _file(file)
    try:
        rows = [
            {"name": operator.name, "role": str(operator.role), "shops": list(operator.shops)}
            for operator, _digest in read_operators(path)
        ]
    except OperatorsUnreadable as error:
        raise fail(str(error)) from None
    if as_json:
        print_json(rows)
    else:
        shown = [{**row, "shops": " ".join(row["shops"]) or "*"} for row in rows]
        print_rows(shown, ["name", "role", "shops"], f"{path} names no operators")


@operator_app.command()
def remove(name: Name, file: File = None) -> None:
    """Remove an operator: the token and the sessions end at once."""
    from control.auth.operators_edit import OperatorsUnchanged, remove_operator

    path = _file(file)
    try:
        remove_operator(path, name)
    except (OperatorsUnchanged, OperatorsUnreadable) as error:
        raise fail(str(error)) from None
    console.print(f"{name} is no longer in {path}", markup=False, soft_wrap=True)


def _file(option: Path | None) -> Path:
    path = option or load_settings().operators_file
    if path is None:
        raise fail(f"no operators file is set: set {PREFIX}OPERATORS_FILE, or use --file FILE", 2)
    return path


def _with_article(role: Role) -> str:
    return f"a {role}" if role is Role.VIEWER else f"an {role}"


def _of_shops(shops: list[str]) -> str:
    return f" of {', '.join(shops)}" if shops else ""
