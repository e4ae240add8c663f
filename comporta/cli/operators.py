"""`comporta operator add`, `list` and `remove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    role: Annotated[Role, typer.Option(help="viewer may only read; operator may also act.")],
    file: File = None,
) -> None:
    """Add an operator, and print the token: once, alone on the last line."""
    # Loaded here, as below: every other command would wait for the library that writes TOML.
    from control.auth.operators_edit import OperatorsUnchanged, add_operator

    path = _file(file)
    try:
        token = add_operator(path, name, role)
    except (OperatorsUnchanged, OperatorsUnreadable) as error:
        raise fail(str(error)) from None
    console.print(
        f"{name} is now {_with_article(role)} in {path}. This is the token; it can't be shown again:",
        markup=False,
        soft_wrap=True,
    )
    typer.echo(token)


@operator_app.command("list")
def list_(file: File = None, as_json: AsJson = False) -> None:
    """List the operators with their roles."""
    path = _file(file)
    try:
        rows = [{"name": operator.name, "role": str(operator.role)} for operator, _digest in read_operators(path)]
    except OperatorsUnreadable as error:
        raise fail(str(error)) from None
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["name", "role"], f"{path} names no operators")


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
    return f"an {role}" if role is Role.OPERATOR else f"a {role}"
