"""The commands by name: their lines in the help, suggestions, and what they load."""

from __future__ import annotations

import inspect
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from comporta.cli.commands import COMMANDS, Command
from comporta.cli.examples import EXAMPLES
from comporta.cli.main import app

# Each takes a noticeable part of a second to load.
_HEAVY = ("alembic", "fastapi", "httpx", "kombu", "pika", "schemas.events", "sqlalchemy", "structlog")


@pytest.mark.parametrize(("name", "command"), COMMANDS.items())
def test_each_command_is_there_with_the_summary_that_the_help_shows(name: str, command: Command) -> None:
    found = getattr(import_module(f"comporta.cli.{command.module}"), command.attribute)
    text = found.info.help if isinstance(found, typer.Typer) else inspect.getdoc(found)
    assert text is not None
    assert text.split("\n")[0] == command.summary
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"Usage: comporta {name} " in shown.output


@pytest.mark.parametrize(
    ("name", "command"), [(name, each) for name, each in COMMANDS.items() if each.attribute.endswith("_app")]
)
def test_each_command_of_a_group_is_called_by_both_names(name: str, command: Command) -> None:
    group = getattr(import_module(f"comporta.cli.{command.module}"), command.attribute)
    assert group.registered_commands
    for each in group.registered_commands:
        called = each.name or each.callback.__name__
        shown = CliRunner().invoke(app, [name, called, "--help"])
        assert (shown.exit_code, f"Usage: comporta {name} {called} " in shown.output) == (0, True)


def commands_below(command: Any, context: Any, words: str = "") -> Iterator[tuple[str, Any]]:
    """Each command that is no group, by its words."""
    if not isinstance(command, TyperGroup):
        yield words, command
        return
    for name in command.list_commands(context):
        yield from commands_below(command.get_command(context, name), context, f"{words} {name}".strip())


def test_the_help_of_each_command_ends_with_examples_that_it_takes() -> None:
    program = typer.main.get_command(app)
    commands = dict(commands_below(program, program.make_context("comporta", [], resilient_parsing=True)))
    assert commands.keys() == EXAMPLES.keys()
    for words, command in commands.items():
        for example in EXAMPLES[words]:
            # Options and arguments are read as ever, and nothing is done.
            command.make_context(words, shlex.split(example.removeprefix(words)))
            assert f"comporta {example}" in command.epilog
    shown = CliRunner().invoke(app, ["pause", "--help"]).output
    assert 'comporta pause --reason "ERP maintenance" --for 2h' in shown.rpartition("Examples:")[2]


@pytest.mark.parametrize("name", ["missed", "quarantine", "orders"])
@pytest.mark.parametrize("options", [[], ["--json"], ["--limit", "5", "--json"]])
def test_a_group_that_looks_lists_if_no_command_is_named(
    name: str, options: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPORTA_DATABASE_URL", f"sqlite:///{tmp_path / 'comporta.db'}")
    monkeypatch.setenv("COMPORTA_BROKER_URL", "amqp://127.0.0.1:1")
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    bare, named = (CliRunner().invoke(app, [name, *words, *options]) for words in ([], ["list"]))
    assert (bare.exit_code, bare.output) == (0, named.output)
    assert CliRunner().invoke(app, [name, "--limitt", "5"]).exit_code == 2


def test_the_help_names_every_command_below_a_heading() -> None:
    lines = CliRunner().invoke(app, ["--help"]).output.splitlines()
    for name, command in COMMANDS.items():
        heading = next(number for number, line in enumerate(lines) if f" {command.heading} ─" in line)
        assert any(line.startswith(f"│ {name} ") for line in lines[heading:])


@pytest.mark.parametrize(("typed", "meant"), [("pauze", "pause"), ("quarentine", "quarantine"), ("ordrs", "orders")])
def test_a_misspelt_command_is_suggested(typed: str, meant: str) -> None:
    shown = CliRunner().invoke(app, [typed])
    assert shown.exit_code == 2
    assert f"Did you mean '{meant}'" in shown.output


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["pauze"]])
def test_what_needs_no_command_loads_no_library_of_one(arguments: list[str]) -> None:
    program = f"""
import sys
from comporta.cli import main
sys.argv[1:] = {arguments!r}
try:
    main()
except SystemExit:
    pass
print(sorted({set(_HEAVY)!r} & {{*sys.modules}}), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_status_loads_only_what_it_shows() -> None:
    program = "import sys, comporta.cli.status, storage.database; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    servers = {"alembic", "fastapi", "kombu", "producers.erp", "sqlalchemy.orm"}
    libraries = {"attr", "iso4217", "pygments", "rich.console", "rich.live", "stdnum", "structlog"}
    others = {"schemas.orders", "storage.dry_run", "storage.event_store", "storage.views.biography"}
    assert not (servers | libraries | others) & {*done.stdout.split()}


def test_a_command_makes_the_validators_of_the_messages_that_it_reads() -> None:
    program = """
import comporta.cli.status, storage.database
from schemas.fields import Message

def models(of):
    return [model for derived in of.__subclasses__() for model in (derived, *models(derived))]

print([model.__name__ for model in models(Message) if model.__pydantic_complete__])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_command_looks_for_no_plugins_of_pydantic_unless_it_is_told_to() -> None:
    program = "import os; from comporta.cli import main; main()"
    told = {"PYDANTIC_DISABLE_PLUGINS": "none-of-them"}
    for environment, expected in (({}, "__all__"), (told, "none-of-them")):
        code = program.replace("main()", "\ntry: main()\nfinally: print(os.environ['PYDANTIC_DISABLE_PLUGINS'])")
        command = [sys.executable, "-c", code, "--version"]
        environment = {name: value for name, value in os.environ.items() if name not in told} | environment
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[1] == expected


_ENDED = """
import atexit, sys, threading
import comporta.__main__ as program
{before}
atexit.register(print, "exit functions")
sys.argv[1:] = {arguments!r}
program.run()
"""
_THREAD = "threading.Thread(target=lambda: (threading.main_thread().join(), print('thread'))).start()"


@pytest.mark.parametrize(
    ("before", "arguments", "code", "out"),
    [
        ("", ["--version"], 0, ["exit functions"]),
        ("", ["pauze"], 2, ["exit functions"]),
        # Each of these must see the end of the process, or ends after the command.
        (_THREAD, ["--version"], 0, ["thread", "exit functions"]),
        ("sys.setprofile(lambda *_: None)", ["--version"], 0, ["exit functions"]),
    ],
)
def test_a_program_ends_with_its_code_its_output_and_what_was_to_be_done_at_its_end(
    before: str, arguments: list[str], code: int, out: list[str]
) -> None:
    program = _ENDED.format(before=before, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-len(out) :]) == (code, out), done.stderr


def test_a_program_whose_reader_is_gone_says_so() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "import comporta.__main__ as program; program.run()", "reason", "--json"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode not in (0, None)


def test_a_command_ends_without_a_search_for_garbage() -> None:
    program = """
import atexit, gc
from comporta.cli import main
atexit.register(lambda: print(gc.isenabled(), len(gc.get_objects()) < 100))
main()
"""
    done = subprocess.run([sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[1:] == ["True True"], done.stderr


def test_a_web_server_loads_the_object_mapper_of_its_lists_before_any_thread_begins() -> None:
    program = "import sys, comporta.web.server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    views = {f"storage.views.{name}" for name in ("asked", "biography", "bodies", "history", "suggestions")}
    assert {"sqlakeyset", "sqlalchemy.orm", *views} <= {*done.stdout.split()}


@pytest.mark.parametrize(
    ("words", "offered"), [("comporta pa", ["pause", "pauses"]), ("comporta missed re", ["resync"]), ("comporta x", [])]
)
def test_a_shell_completes_commands_and_those_of_groups(words: str, offered: list[str]) -> None:
    asked = {"_COMPORTA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [str(Path(sys.executable).parent / "comporta")]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == offered
