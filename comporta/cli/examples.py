"""Examples of the commands, one or more each, as their help shows them."""

from __future__ import annotations

from typing import Any

__all__ = ["EXAMPLES", "add_examples"]

# By the words of the command, without the program's name in front.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "demo": ("demo --seconds 60",),
    "run": ("run",),
    "worker": ("worker --processes 2", "worker --domains stock,prices"),
    "admin": ("admin",),
    "pause": (
        'pause --reason "ERP maintenance" --for 2h',
        'pause --reason "stock count" --shop north --domain stock --until 23:00',
        'pause --reason "backup of the ERP" --from 02:00 --for 1h --weekly',
    ),
    "resume": ('resume --reason "the ERP is back"', 'resume --reason "stock counted" --shop north --domain stock'),
    "status": ("status", "status --watch", "status --check"),
    "audit": ("audit --limit 20",),
    "pauses list": ("pauses list --limit 5",),
    "pauses show": ("pauses show 42",),
    "tail": ("tail --shop north --outcome quarantined",),
    "missed list": ("missed list --shop north --domain prices",),
    "missed resync": (
        'missed resync --domain prices --why "after the maintenance"',
        'missed resync --shop north --domain stock --since 2026-11-23T20:00:00Z --why "the ERP published nothing"',
    ),
    "quarantine list": ("quarantine list --reason gtin_check_digit",),
    "quarantine show": ("quarantine show ID",),
    "quarantine edit": ('quarantine edit ID --file corrected.json --why "the ERP can\'t until Monday"',),
    "quarantine replay": (
        'quarantine replay ID --why "code corrected"',
        'quarantine replay --reason key_format --why "codes corrected" --background',
    ),
    "quarantine accept": ('quarantine accept ID --why "checked with the shop"',),
    "quarantine drop": ('quarantine drop --shop test --all --why "a test shop"',),
    "quarantine jobs list": ("quarantine jobs list",),
    "quarantine jobs show": ("quarantine jobs show ID",),
    "quarantine jobs cancel": ("quarantine jobs cancel ID",),
    "quarantine notes list": ("quarantine notes list",),
    "quarantine notes write": ('quarantine notes write "asked the ERP team" --reason gtin_check_digit --ticket ERP-7',),
    "quarantine notes remove": ("quarantine notes remove --reason gtin_check_digit",),
    "orders list": ("orders list --state waiting --older-than 10m", "orders list --overdue"),
    "orders show": ("orders show W-1001 --shop north",),
    "orders retry": ('orders retry W-1001 --why "customer added to the ERP"',),
    "orders hold": (
        "orders hold --shop north --all --dry-run",
        'orders hold --shop north --all --expected 12 --why "prices are being checked"',
    ),
    "orders release": ('orders release W-1001 --why "prices checked"',),
    "orders cancel": ('orders cancel W-1001 --why "asked for by the customer"',),
    "item history": ("item history north stock 789/1/A",),
    "item event": ("item event stock-20261123-000017",),
    "shop list": ("shop list",),
    "shop add": ('shop add south --why "opens on Monday"',),
    "shop remove": ("shop remove south --dry-run", 'shop remove south --why "contract ended"'),
    "person erase": (
        "person erase --document 529.982.247-25 --dry-run",
        'person erase --document - --why "request of 23 November"',
    ),
    "publish": (
        "publish prices.jsonl --shop north",
        "publish stock.jsonl.gz --rejects refused.jsonl",
        "publish all-products.jsonl --full-load --domain products",
    ),
    "validate": ("validate prices.jsonl --shop north", "validate prices.jsonl --offline"),
    "compare": (
        "compare all-prices.jsonl --shop north --domain prices --out differences.jsonl",
        'compare all-prices.jsonl --shop north --domain prices --missed --why "checked on Monday"',
    ),
    "digest": ("digest --shop north --domain prices",),
    "reason": ("reason gtin_check_digit", "reason key_format --lang pt"),
    "schema": ("schema --domain orders", "schema --asyncapi", "schema --rabbitmq --users users --out definitions"),
    "loads list": ("loads list --state held",),
    "loads show": ("loads show 2026-11-23 --domain products",),
    "loads confirm": ('loads confirm 2026-11-23 --domain products --count 812 --why "discontinued items"',),
    "loads cancel": ('loads cancel 2026-11-23 --domain products --why "the file was cut off"',),
    "versions forget": (
        'versions forget --shop north --domain stock --key 789/1/A --reason "a clock in 2206" --dry-run',
    ),
    "simulate": ("simulate --rate 100 --orders 5", "simulate --count 10000 --json"),
    "simulate-erp": ("simulate-erp", "simulate-erp --http 9090"),
    "migrate": ("migrate --dry-run", "migrate"),
    "prune": ("prune --dry-run", 'prune --why "the disk is nearly full"'),
    "grant-app": ("grant-app comporta_app",),
    "grant-reader": ("grant-reader shop_reader",),
    "doctor": ("doctor",),
    "version": ("version",),
    "operator add": ("operator add ana --role operator", "operator add erp-north --role erp --shop north"),
    "operator list": ("operator list",),
    "operator remove": ("operator remove ana",),
    "config show": ("config show",),
    "config validate": ("config validate",),
}


def add_examples(command: Any, words: str) -> None:
    """Let the help of a command, and of those below it, end with its examples."""
    for name, below in getattr(command, "commands", {}).items():
        add_examples(below, f"{words} {name}")
    if lines := EXAMPLES.get(words):
        # A blank line is a line's end there.
        command.epilog = "\n\n".join(("Examples:", *(f"comporta {line}" for line in lines)))
