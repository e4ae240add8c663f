"""`comporta versions`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import audit_context, check_domain
from comporta.cli.output import AsJson, console, print_json
from comporta.runtime.settings import load_settings
from schemas.domains import DOMAINS
from schemas.events import SHOP
from storage.key_texts import KeyUnreadable, parse_key
from storage.versions import VersionScope

__all__ = ["versions_app"]

versions_app = typer.Typer(no_args_is_help=True, help="Versions of keys, by which the newest event wins.")

_KEY_HELP = (
    "Only this key, and others if given again: its fields as a JSON object, "
    '\'{"product_code": "789", "branch": "1", "warehouse": "A"}\', or their values in the order of the key, 789/1/A. '
    "A field with a default may be left out. Without --key: every key of the shop's domain."
)
Shop = Annotated[str, typer.Option(help="The shop.")]
Domain = Annotated[str, typer.Option(help="The domain.")]
Keys = Annotated[list[str] | None, typer.Option("--key", help=_KEY_HELP)]
Reason = Annotated[str, typer.Option("--reason", help="Reason, for the audit.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count the keys.")]


@versions_app.command("forget")
def versions_forget(
    shop: Shop,
    domain: Domain,
    reason: Reason,
    key: Keys = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let the next event of these keys win, whatever its version: for poisoned keys, or a counter set back.

    The rows stay as they are until then. Of a whole domain, the next event also decides whether versions are sequences
    or times.
    """
    if not SHOP.fullmatch(shop):
        raise typer.BadParameter(f"--shop: {shop!r} is not a shop id: a-z, 0-9 and -, at most 63 characters")
    check_domain("--domain: ", domain, tuple(DOMAINS))
    if not reason.strip():
        raise typer.BadParameter("--reason: say why, for the audit")
    keys = None if not key else tuple(_key(domain, text) for text in key)
    context = audit_context(reason)
    with remote_for(load_settings()).actions() as actions:
        result = actions.forget_versions(VersionScope(shop, domain, keys), context, dry_run=dry_run)
    if as_json:
        print_json(result._asdict())
        return
    found = f"{result.keys:,} keys in the table and {result.missed:,} missed keys of {shop}/{domain} have a version"
    done = "nothing was changed" if dry_run else f"{result.forgotten:,} keys forgotten: the next event of each wins"
    console.print(f"{found}; {done}", markup=False, highlight=False)


def _key(domain: str, text: str) -> tuple[Any, ...]:
    """Return the key in an option's text; raises `BadParameter` if it is none of the domain."""
    try:
        return parse_key(domain, text)
    except KeyUnreadable as error:
        raise typer.BadParameter(f"--key {text}: {error}") from None
