"""`comporta schema`: the contract as JSON Schemas and AsyncAPI."""

from __future__ import annotations

import json
import re
from pathlib import Path
from secrets import token_bytes
from typing import Annotated, Any

import typer

from comporta.cli.output import console, fail
from comporta.runtime.server_settings import read_line
from schemas.broker_users import user_definitions
from schemas.domains import DOMAIN_NAMES, DOMAINS, ORDERS
from schemas.queue_policies import policy_definitions

__all__ = ["schema"]

_WRONG_USAGE = 2


def schema(
    domain: Annotated[str | None, typer.Option(help="Only the events of this domain.")] = None,
    asyncapi: Annotated[bool, typer.Option("--asyncapi", help="Print the AsyncAPI document instead.")] = False,
    rabbitmq: Annotated[
        bool, typer.Option("--rabbitmq", help="Print RabbitMQ's definitions with the policy for the queues instead.")
    ] = False,
    tables: Annotated[bool, typer.Option("--tables", help="Print the page of tables and views instead.")] = False,
    vhost: Annotated[str, typer.Option(help="With --rabbitmq: the virtual host of the policy.")] = "/",
    release: Annotated[
        str | None, typer.Option(help="With --rabbitmq: the broker's release, such as 4.3, for what it alone knows.")
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --rabbitmq: users, too; a file for each, named after it (such as erp-north), with its password.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write all files of the contract to this folder.")
    ] = None,
) -> None:
    """Print the JSON Schemas of the events, by type, as one document."""
    # Loaded here: pydantic's generator is slow to load, and no other command needs it.
    from schemas.asyncapi import asyncapi_document
    from schemas.json_schema import event_schemas, order_schemas

    if sum((domain is not None, asyncapi, rabbitmq, tables, out is not None)) > 1:
        raise fail("--domain, --asyncapi, --rabbitmq, --tables and --out exclude each other", _WRONG_USAGE)
    if release is not None and not rabbitmq:
        raise fail("--release goes with --rabbitmq", _WRONG_USAGE)
    if users is not None and not rabbitmq:
        raise fail("--users goes with --rabbitmq", _WRONG_USAGE)
    if domain is not None and domain not in DOMAIN_NAMES:
        raise fail(f"no such domain; the domains are {', '.join(DOMAIN_NAMES)}", _WRONG_USAGE)
    if rabbitmq:
        _print(policy_definitions(vhost, release=_release(release)) | (_users(vhost, users) if users else {}))
    elif tables:
        _print_tables()
    elif out is not None:
        _write(out)
    elif domain == ORDERS:
        _print(order_schemas())
    else:
        _print(asyncapi_document() if asyncapi else event_schemas(DOMAINS[domain] if domain else None))


def _release(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    if not (parts := re.match(r"(\d{1,3})\.(\d{1,3})(\.\d+)*$", text)):
        raise fail(f"--release {text}: name RabbitMQ's release as two numbers, such as 4.3", _WRONG_USAGE)
    return int(parts[1]), int(parts[2])


def _users(vhost: str, folder: Path) -> dict[str, Any]:
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        return user_definitions(vhost, {name: read_line(folder / name) for name in names}, lambda: token_bytes(4))
    except OSError as error:
        raise fail(f"--users {folder}: {error.strerror}", _WRONG_USAGE) from None
    except ValueError as error:
        raise fail(f"--users {folder}: {error}", _WRONG_USAGE) from None


def _print(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _print_tables() -> None:
    from storage.tables_page import tables_page

    typer.echo(tables_page(), nl=False)


def _write(folder: Path) -> None:
    from schemas.contract import contract_files

    files = contract_files()
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise fail(f"can't write to {folder}: {error.strerror}") from None
    console.print(f"{len(files)} files in {folder}", highlight=False)
