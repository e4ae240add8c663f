"""Broker users: the rights of each kind, as RabbitMQ's permissions, and a definitions file that creates them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.topology import CONTROL, EVENTS, ORDERS_IN

__all__ = ["KINDS", "BrokerUser", "UnknownUser", "broker_user", "user_definitions"]

_NONE = "^$"
_OURS = r"^(comporta|erp|shop)\."
_NAME = re.compile(r"(?P<kind>[a-z]+)(?:-(?P<part>[a-z0-9](?:[a-z0-9-]{0,62})))?$")


class UnknownUser(ValueError):
    """Name of a user whose rights are not known, with the names that are."""


@dataclass(frozen=True)
class BrokerUser:
    """User with its permissions in the virtual host, and by exchange the routing keys that it may publish under."""

    configure: str = _NONE
    write: str = _NONE
    read: str = _NONE
    tags: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)


def _erp(shop: str | None) -> BrokerUser:
    if shop is None:
        return BrokerUser(write=_exactly(EVENTS), read=r"^erp\.(orders|resync)$")
    # Without a right on the exchange's topics a user may publish under every key.
    keys = {EVENTS: rf"^{re.escape(shop)}\."}
    return BrokerUser(write=_exactly(EVENTS), read=_exactly(f"erp.orders.{shop}"), keys=keys)


def _shop(shop: str | None) -> BrokerUser:
    if shop is None:
        return BrokerUser(write=_exactly(ORDERS_IN))
    own = rf"shop\.{re.escape(shop)}\."
    keys = {ORDERS_IN: rf"^{re.escape(shop)}(\.|$)"}
    return BrokerUser(f"^{own}", rf"^(shop\.orders$|{own})", f"^{own}", keys=keys)


def _exactly(name: str) -> str:
    return f"^{re.escape(name)}$"


# The kind is the name up to the first hyphen; after it an ERP or a shop names its shop, the others whatever they like.
KINDS: dict[str, Callable[[str | None], BrokerUser]] = {
    # Workers, page and commands: everything is there already.
    "comporta": lambda _: BrokerUser(write=rf"{_OURS}|^amq\.default$", read=_OURS),
    # Declares what a release adds; for one start of a worker, or for good where nobody minds.
    "provisioner": lambda _: BrokerUser(_OURS, rf"{_OURS}|^amq\.default$", _OURS),
    "erp": _erp,
    "shop": _shop,
    "operator": lambda _: BrokerUser(write=_exactly(CONTROL)),
    # Reads the management API and nothing of the messages.
    "dashboard": lambda _: BrokerUser(tags=("monitoring",)),
}


def broker_user(name: str) -> BrokerUser:
    """Return the rights of a user, by its name; raises `UnknownUser`."""
    found = _NAME.match(name)
    if found is None or found["kind"] not in KINDS:
        raise UnknownUser(
            f"{name}: the rights of such a user are not known; known are {', '.join(KINDS)}, each with a further name "
            "after a hyphen, such as erp-north"
        )
    return KINDS[found["kind"]](found["part"])


def user_definitions(vhost: str, passwords: Mapping[str, str], salt: Callable[[], bytes]) -> dict[str, Any]:
    """Return the users with their passwords, hashed, and their rights as a part of a definitions file."""
    users = {name: broker_user(name) for name in passwords}
    return {
        "users": [
            {
                "name": name,
                "password_hash": _hash(passwords[name], salt()),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": list(user.tags),
            }
            for name, user in users.items()
        ],
        "permissions": [
            {"user": name, "vhost": vhost, "configure": user.configure, "write": user.write, "read": user.read}
            for name, user in users.items()
        ],
        "topic_permissions": [
            {"user": name, "vhost": vhost, "exchange": exchange, "write": keys, "read": _NONE}
            for name, user in users.items()
            for exchange, keys in user.keys.items()
        ],
    }


def _hash(password: str, salt: bytes) -> str:
    """Hash a password as RabbitMQ does (its guide "Credentials and Passwords"): four bytes of salt before all."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
