"""RabbitMQ's management API, read alone: the policies that are effective, and who may publish what."""

from __future__ import annotations

import re
import ssl
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from rules.addresses import read_address

__all__ = ["EffectivePolicy", "Management", "ManagementError", "open_publishers"]

_PATIENCE = 10.0
_FOR_QUEUES = frozenset({"all", "queues", "quorum_queues"})


class ManagementError(Exception):
    """Failure of a request; `code` is the HTTP status, None without an answer."""

    def __init__(self, says: str, code: int | None = None) -> None:
        super().__init__(says)
        self.code = code


class EffectivePolicy(NamedTuple):
    """Policy of one queue: its name, None without one, and its keys; beside them the arguments of the queue."""

    name: str | None
    definition: dict[str, Any]
    arguments: dict[str, Any]


class Management:
    """Reader of one virtual host; without a login of its own it takes the one given."""

    def __init__(self, url: str, vhost: str, login: tuple[str, str]) -> None:
        address = read_address(url)
        auth = (address.user, address.password or "") if address.user else login
        [host] = address.hosts
        # The CA certificates are the system's or SSL_CERT_FILE's, as for the broker itself.
        self._client = httpx.Client(
            base_url=f"{address.scheme}://{host}{address.path}/api/",
            auth=auth,
            timeout=_PATIENCE,
            trust_env=False,
            verify=ssl.create_default_context() if address.scheme == "https" else False,
        )
        self._vhost = quote(vhost, safe="")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def policies(self) -> dict[str, dict[str, Any]]:
        """Return the policies by name. Raises `ManagementError`."""
        return {policy["name"]: policy for policy in self._get(f"policies/{self._vhost}")}

    def queues(self) -> dict[str, EffectivePolicy]:
        """Return what is effective on each queue. Raises `ManagementError`.

        The broker itself tells it seconds late, and older releases never: hence from the policies.
        """
        users, operators = (self._get(f"{kind}/{self._vhost}") for kind in ("policies", "operator-policies"))
        found = {}
        for queue in self._get(f"queues/{self._vhost}"):
            policy, limit = (_matching(queue["name"], policies) for policies in (users, operators))
            definition = _merged(policy.get("definition", {}), limit.get("definition", {}))
            found[queue["name"]] = EffectivePolicy(policy.get("name"), definition, queue.get("arguments", {}))
        return found

    def users(self) -> list[dict[str, Any]]:
        """Return the users with their tags; needs an administrator's login. Raises `ManagementError`."""
        return self._get("users")

    def rights(self) -> list[dict[str, Any]]:
        """Return who may write to what; needs an administrator's login. Raises `ManagementError`."""
        return self._get(f"vhosts/{self._vhost}/permissions")

    def topic_rights(self) -> list[dict[str, Any]]:
        """Return who may publish under which keys; needs an administrator's login. Raises `ManagementError`."""
        return self._get(f"vhosts/{self._vhost}/topic-permissions")

    def _get(self, path: str) -> list[dict[str, Any]]:
        try:
            answer = self._client.get(path)
            if answer.is_success:
                return list(answer.json())
        except httpx.HTTPError as error:
            raise ManagementError(str(error.__cause__ or error) or type(error).__name__) from error
        except ValueError:
            raise ManagementError("the answer is not JSON") from None
        raise ManagementError(f"HTTP {answer.status_code}", answer.status_code)


def _matching(queue: str, policies: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the only policy that is effective on a queue: of those that match it the one of the highest priority."""
    matching = [policy for policy in policies if policy["apply-to"] in _FOR_QUEUES and _fits(policy["pattern"], queue)]
    return max(matching, key=lambda policy: policy["priority"], default={})


def _fits(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        # Erlang knows a few forms more.
        return False


def _merged(policy: dict[str, Any], limit: dict[str, Any]) -> dict[str, Any]:
    """Return what a policy says under an operator policy: the lower one of two numbers, otherwise what that says."""
    both = {key: min(policy[key], value) for key, value in limit.items() if isinstance(policy.get(key), int)}
    return policy | limit | both


def open_publishers(
    exchange: str, users: list[dict[str, Any]], rights: list[dict[str, Any]], topics: list[dict[str, Any]]
) -> list[str]:
    """Return the users that may publish under every key to an exchange: they have no right on its topics.

    Administrators are left out: they may give themselves any right.
    """
    exempt = {user["name"] for user in users if "administrator" in user.get("tags", ())}
    narrowed = {topic["user"] for topic in topics if topic["exchange"] == exchange}
    return sorted(
        right["user"]
        for right in rights
        if right["user"] not in exempt | narrowed and right["write"] and _fits(right["write"], exchange)
    )
