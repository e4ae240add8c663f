"""`comporta loads`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import Domain, Limit, Shop, Why, audit_context, check_domain, print_list
from comporta.cli.output import AsJson, console, fail, print_json, print_rows
from comporta.runtime.settings import load_settings
from rules.full_load import LoadState
from schemas.domains import DOMAINS

__all__ = ["loads_app"]

loads_app = typer.Typer(no_args_is_help=True, help="Full loads: everything that an ERP has of a domain.")

LoadId = Annotated[str, typer.Argument(metavar="LOAD_ID")]
OfShop = Annotated[str, typer.Option("--shop", help="The shop of the load.")]
OfDomain = Annotated[str, typer.Option("--domain", help="The domain of the load.")]
_LISTED = ("started_at", "shop", "domain", "load_id", "state", "seen", "count", "settled", "chunks", "incomplete")
_DELETES = ("would_delete", "deleted")
_CHUNK = ("chunk", "state", "reason", "range_from", "range_to", "version", "seen", "count", "would_delete", "deleted")


@loads_app.command("list")
def loads_list(
    shop: Shop = None,
    domain: Domain = None,
    state: Annotated[LoadState | None, typer.Option(help="Only loads in this state.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List full loads, newest first."""
    filters = {"shop": shop, "domain": domain, "state": state and state.value, "limit": limit}
    print_list("loads", (*_LISTED, *_DELETES), as_json, **filters)


@loads_app.command("show")
def loads_show(load_id: LoadId, domain: OfDomain, shop: OfShop = "main", as_json: AsJson = False) -> None:
    """Show one load with its chunks, and the keys that it would delete."""
    check_domain("--domain: ", domain, tuple(DOMAINS))
    load = remote_for(load_settings()).load(shop, domain, load_id)
    if load is None:
        raise fail(f"no load with the id {load_id} of {shop}/{domain} is known; `comporta loads list` lists the loads")
    if as_json:
        print_json(load)
        return
    _print(load)


@loads_app.command("confirm")
def loads_confirm(
    load_id: LoadId,
    domain: OfDomain,
    count: Annotated[int, typer.Option("--count", help="would_delete, as `loads show` has shown it.", min=0)],
    shop: OfShop = "main",
    why: Why = None,
    as_json: AsJson = False,
) -> None:
    """Let a held load delete as many keys as it would."""
    check_domain("--domain: ", domain, tuple(DOMAINS))
    with remote_for(load_settings()).actions() as actions:
        number = actions.confirm_load(shop, domain, load_id, count, audit_context(why))
    if as_json:
        print_json({"confirmed": number})
    else:
        console.print(f"{number:,} keys of {shop}/{domain} are deleted now", markup=False)


@loads_app.command("cancel")
def loads_cancel(
    load_id: LoadId, domain: OfDomain, shop: OfShop = "main", why: Why = None, as_json: AsJson = False
) -> None:
    """End a load: it deletes nothing more."""
    check_domain("--domain: ", domain, tuple(DOMAINS))
    with remote_for(load_settings()).actions() as actions:
        actions.cancel_load(shop, domain, load_id, audit_context(why))
    if as_json:
        print_json({"state": LoadState.CANCELLED.value})
    else:
        console.print(f"the load {load_id} of {shop}/{domain} is cancelled", markup=False)


def _print(load: dict[str, Any]) -> None:
    facts = {name: value for name, value in load.items() if name not in {"parts", "would_delete_keys"}}
    print_rows([{"field": name, "value": value} for name, value in facts.items()], ("field", "value"), "")
    console.print()
    print_rows(load["parts"], _CHUNK, "no chunk has come yet")
    if load["would_delete_keys"]:
        console.print()
        number = len(load["would_delete_keys"])
        console.print(f"would delete {load['would_delete']:,} keys; the first {number}:", markup=False)
        print_rows(load["would_delete_keys"], tuple(load["would_delete_keys"][0]), "")
