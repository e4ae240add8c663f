"""`comporta quarantine edit`: a corrected copy of a message is sent in its place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import click
import orjson
import typer

from comporta.cli.client import Remote, remote_for
from comporta.cli.options import Yes, audit_context, confirm_discard
from comporta.cli.output import AsJson, console, fail, print_json
from comporta.runtime.settings import load_settings

__all__ = ["quarantine_edit"]

_MOST_BYTES = 300_000


def quarantine_edit(
    identity: Annotated[str, typer.Argument(metavar="ID")],
    why: Annotated[str, typer.Option("--why", help="Reason, for the audit, which keeps it with what was changed.")],
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE|-", help="The corrected message; without it an editor opens.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send a corrected copy under a new id in the place of a message; only with COMPORTA_ALLOW_EDIT=true.

    The copy is checked first, and published with the original's id in a header. The ERP does not know of it: it has to
    be corrected there, too.
    """
    if not why.strip():
        raise typer.BadParameter("--why: say why, for the audit")
    identity, context, remote = identity.lower(), audit_context(why), remote_for(load_settings())
    text = _edited(remote, identity) if file is None else _read(file)
    with remote.quarantine() as quarantine:
        copy = confirm_discard(lambda discard: quarantine.edit(identity, text, context, discard=discard), yes=yes)
    if as_json:
        print_json({"id": copy, "original": identity})
    else:
        console.print(f"The corrected copy {copy} is sent in the place of {identity}", markup=False)


def _edited(remote: Remote, identity: str) -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter("--file: there is no terminal for an editor; name the file with the corrected message")
    message = remote.quarantined(identity)
    if message is None:
        raise fail(f"no message with the id {identity} is in the quarantine; `comporta quarantine list` lists them")
    before = _indented(message)
    after = click.edit(before, extension=".json")
    if after is None or after.strip() == before.strip():
        raise fail("nothing was changed, and nothing is sent")
    return after


def _indented(message: dict[str, Any]) -> str:
    try:
        return orjson.dumps(orjson.loads(message["body"]), option=orjson.OPT_INDENT_2).decode()
    except ValueError:
        return str(message["body"])


def _read(file: str) -> str:
    name = "standard input" if file == "-" else file
    try:
        content = sys.stdin.buffer.read(_MOST_BYTES + 1) if file == "-" else Path(file).read_bytes()
        text = content.decode()
    except OSError as error:
        raise fail(f"{name} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise fail(f"{name} is not UTF-8") from None
    if len(content) > _MOST_BYTES:
        raise fail(f"{name} is too large: at most {_MOST_BYTES:,} bytes")
    return text
