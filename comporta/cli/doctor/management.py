"""Management checks: the policies that are effective on the queues, and users that may publish under every key."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from broker.address import read_url
from broker.management import EffectivePolicy, Management, ManagementError, open_publishers
from comporta.cli.doctor.findings import Finding
from comporta.runtime.settings import PREFIX, Settings, redacted
from schemas.queue_policies import Release, policy_for
from schemas.topology import EVENTS, ORDERS_IN

__all__ = ["management_findings", "policy_command"]

_PART = "broker"
_LIMIT = "delivery-limit"
_UNAUTHORIZED, _FORBIDDEN = 401, 403
# By shop, so that a user of one shop's must not publish for another.
_BY_SHOP = {EVENTS: r"^SHOP\.", ORDERS_IN: r"^SHOP(\.|$)"}


def management_findings(settings: Settings, release: Release | None, queues: Sequence[str]) -> Iterator[Finding]:
    """Yield the findings on the policies of these queues, and on the users; nothing without the setting."""
    if settings.management_url is None:
        return
    broker = read_url(settings.broker_url)
    where = redacted("management_url", settings.management_url)
    management = Management(settings.management_url, broker.vhost, (broker.user, broker.password))
    try:
        yield from _policies(management, broker.vhost, release, queues)
        yield from _users(management, broker.vhost, broker.user)
    except ManagementError as error:
        if error.code in {_UNAUTHORIZED, _FORBIDDEN}:
            remedy = (
                f"check {PREFIX}MANAGEMENT_USER and {PREFIX}MANAGEMENT_PASSWORD; the user needs the tag monitoring and "
                f"permissions in {broker.vhost}, if only ^$"
            )
            yield Finding.warning(_PART, f"the management API at {where} refuses the login ({error})", remedy)
        else:
            remedy = f"check {PREFIX}MANAGEMENT_URL, and that the plugin rabbitmq_management is enabled"
            yield Finding.warning(_PART, f"the management API at {where} can't be read: {error}", remedy)
    finally:
        management.close()


def policy_command(vhost: str, policy: dict[str, Any]) -> str:
    """Return the command that sets a policy."""
    parts = ["rabbitmqctl", "set_policy", "-p", vhost, policy["name"], policy["pattern"]]
    parts.append(json.dumps(policy["definition"]))
    if policy["priority"]:
        parts += ["--priority", str(policy["priority"])]
    return shlex.join([*parts, "--apply-to", policy["apply-to"]])


def _policies(management: Management, vhost: str, release: Release | None, queues: Sequence[str]) -> Iterator[Finding]:
    listed, defined = management.queues(), management.policies()
    found = {name: listed[name] for name in queues if name in listed}
    faults: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, effective in found.items():
        wanted = policy_for(name, release)
        if differences := _differences(effective.definition, wanted["definition"]):
            faults[_says(effective.name, differences), _mend(vhost, effective.name, wanted, defined)].append(name)
    for (says, remedy), names in faults.items():
        yield Finding.warning(_PART, f"{_names(names)}: {says}", f"let an administrator of the broker run: {remedy}")
    if not faults:
        yield Finding.ok(_PART, "the policy that is effective on each queue has every key, as wanted")
    yield from _kept_by_arguments(found)


def _differences(has: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return in words which keys are missing or have other values."""
    missing = [key for key in wanted if key not in has]
    other = [key for key in wanted if key in has and has[key] != wanted[key]]
    return [f"{', '.join(missing)} missing"] * bool(missing) + [
        f"{key} is {has[key]} instead of {wanted[key]}" for key in other
    ]


def _says(policy: str | None, differences: list[str]) -> str:
    if policy is None:
        return "no policy is effective"
    return f"in the effective policy {policy}: {'; '.join(differences)}"


def _mend(vhost: str, effective: str | None, wanted: dict[str, Any], defined: dict[str, dict[str, Any]]) -> str:
    foreign = defined.get(effective or "")
    if foreign is None or effective == wanted["name"]:
        return policy_command(vhost, wanted)
    # Only one policy is effective on a queue: this one needs our keys beside its own.
    return policy_command(vhost, {**foreign, "definition": foreign["definition"] | wanted["definition"]})


def _kept_by_arguments(queues: dict[str, EffectivePolicy]) -> Iterator[Finding]:
    """Yield the queues whose argument keeps the delivery limit below that of the policy."""
    limits = {name: (queue.arguments.get("x-delivery-limit"), queue.definition) for name, queue in queues.items()}
    kept = [name for name, (limit, policy) in limits.items() if limit is not None and limit < policy.get(_LIMIT, 0)]
    if kept:
        yield Finding.warning(
            _PART,
            f"{_names(kept)}: an argument of the queue keeps the delivery limit below that of the policy",
            "on RabbitMQ 4 delete the queue once it is empty, while no worker runs, and start a worker, which declares "
            "it without; older releases need the argument",
        )


def _users(management: Management, vhost: str, own: str) -> Iterator[Finding]:
    try:
        users, rights, topics = management.users(), management.rights(), management.topic_rights()
    except ManagementError as error:
        if error.code not in {_UNAUTHORIZED, _FORBIDDEN}:
            raise
        yield Finding.ok(_PART, "the rights of other users were not looked at: only an administrator's login sees them")
        return
    narrow = True
    for exchange, pattern in _BY_SHOP.items():
        names = [name for name in open_publishers(exchange, users, rights, topics) if name != own]
        if names:
            narrow = False
            command = shlex.join(["rabbitmqctl", "set_topic_permissions", "-p", vhost])
            yield Finding.warning(
                _PART,
                f"{_names(names)} may publish to {exchange} under every key, for every shop: a user without a right on "
                "its topics may",
                f"with several shops, for each: {command} USER {exchange} '{pattern}' '^$'",
            )
    if narrow:
        yield Finding.ok(_PART, "no other user may publish for every shop")


def _names(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])} and {len(names) - 3} more" if len(names) > 4 else ", ".join(names)
