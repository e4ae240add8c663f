"""The guide for ERP teams says what is so: its events, commands and links."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from comporta.cli.main import app
from schemas.domains import DOMAINS
from schemas.events import domain_of_type, parse_event
from schemas.receipts import parse_receipt
from tests.support.example_programs import FOLDER

GUIDE = FOLDER.parent / "docs" / "erp-guide.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """What stands between the fences of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("comporta ")] + [
    said for said in re.findall(r"`(comporta [a-z][^`]*)`", TEXT) if "…" not in said
]
FIRST_LOAD = (FOLDER / "first_load.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("body", [*blocks("json"), *FIRST_LOAD])
def test_every_event_shown_is_a_valid_one(body: str) -> None:
    kind = json.loads(body)["type"]
    if kind.startswith("erp.order."):
        assert parse_receipt("main", body.encode()).order_id
        return
    event = parse_event(domain_of_type(kind).name, "main", body.encode())
    assert event.unknown == ()


def test_the_first_load_has_an_event_of_every_domain() -> None:
    assert {domain_of_type(json.loads(line)["type"]).name for line in FIRST_LOAD} == set(DOMAINS)


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_every_command_shown_is_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="comporta")
    # Down to the command itself: `missed list` is a command of a group of commands.
    while words and (sub := _subcommand(command, context, words[0])):
        command, words = sub, words[1:]
        context = typer.Context(command, info_name=command.name, parent=context)
    assert not hasattr(command, "commands"), f"{line}: no such command"
    command.make_context(command.name, words, parent=context.parent)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", TEXT))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (GUIDE.parent / link).exists()


def test_every_example_is_in_the_guide() -> None:
    known = {Path(link).parts[2] for link in re.findall(r"\]\((\.\./examples/[^)]+)", TEXT)}
    assert known == {path.name for path in FOLDER.iterdir()}


def _subcommand(command: Any, context: typer.Context, name: str) -> Any:
    return command.get_command(context, name) if hasattr(command, "commands") else None
