"""What Comporta says itself fits the schemas that it publishes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.control import (
    Announcement,
    EndChange,
    LastEndChange,
    PlannedPause,
    Reply,
    StatusDocument,
    StillOff,
    SwitchState,
    WorkerState,
)
from schemas.fields import Message
from schemas.health import DomainHealth, Health
from schemas.resync import RESYNC_TYPE, resync_event
from storage.missed import key_of
from tests.support.contract_samples import CONTRACT
from tests.support.schema_validators import schema_accepts

NOW = datetime(2026, 11, 23, 7, 22, 51, 123456, tzinfo=UTC)
OFF = StillOff(shop="*", domain="stock", reason="count", by="ana", since=NOW, until=None)
REPLY: dict[str, Any] = {
    "result": "off",
    "epoch": 17,
    "effective_at": NOW,
    "in_flight_orders": 1,
    "still_off": [OFF],
    "error": None,
}
ASKED: dict[str, Any] = {"action": "pause", "shop": "*", "domains": ["stock"], "reason": "count", "by": "ana"}
STATUS = StatusDocument(
    epoch=17,
    switches=[
        SwitchState(
            shop="*",
            domain="stock",
            off=True,
            reason="count",
            by="ana",
            since=NOW,
            until=None,
            end_change=LastEndChange(before=NOW, by="bia", at=NOW),
        ),
    ],
    planned=[PlannedPause(shop="*", domain="*", until=None, weekly=False, reason="move", by="ana", **{"from": NOW})],
    effective={"main": {"stock": "off"}},
    workers=[WorkerState(id="w", host="h", pid=1, domains=["stock"], last_seen=NOW, epoch_seen=17)],
    health=Health(
        state="stopped",
        cause="no_consumer",
        since=NOW,
        ready=7,
        domains={
            "stock": DomainHealth(
                state="stopped", cause="no_consumer", since=NOW, ready=7, consumers=0, last_change=NOW, lag=0.5
            )
        },
    ),
    orders={"main": {"waiting": 1}},
    in_flight_orders=0,
    overdue_orders={},
    erp_faults={},
    missed={"main": {"stock": 3}},
    quarantined={"stock": 1},
    last_minute={"stock": {"applied": 5}},
)
SAID: dict[str, Message] = {
    "comporta.control.reply": Reply(**REPLY),
    "comporta.status.announcement": Announcement(**REPLY, **ASKED, until=NOW),
    "comporta.status.document": STATUS,
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_fits_its_schema(name: str) -> None:
    assert schema_accepts(name, json.loads(SAID[name].model_dump_json()))


def test_the_ends_that_a_pause_has_changed_are_said_where_there_are_any() -> None:
    ends = [EndChange(shop="*", domain="stock", old=NOW, new=None)]
    said = json.loads(Reply(**REPLY, changed_ends=ends).model_dump_json())
    assert schema_accepts("comporta.control.reply", said)
    assert [(end["shop"], end["domain"], end["new"]) for end in said["changed_ends"]] == [("*", "stock", None)]
    assert "changed_ends" not in json.loads(Reply(**REPLY).model_dump_json())


@pytest.mark.parametrize("name", SAID)
def test_every_member_of_what_is_said_is_promised(name: str) -> None:
    said = json.loads(SAID[name].model_dump_json())
    assert [field for field in said if schema_accepts(name, {key: said[key] for key in said if key != field})] == []


def resync(**data: Any) -> dict[str, Any]:
    envelope = {"specversion": "1.0", "id": "r1", "source": "/comporta", "type": RESYNC_TYPE}
    return {**envelope, "data": {"shop": "main", "domain": "stock", **data}}


KEY = {"product_code": "P1", "branch": "1", "warehouse": "W"}


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        ({"keys": [KEY]}, True),
        ({"keys": [KEY] * 500}, True),
        ({"keys": [{**KEY, "lot": "L7"}]}, True),
        ({"domain": "products", "keys": [{"code": "P1"}]}, True),
        ({"keys": []}, False),
        ({"keys": [KEY] * 501}, False),
        ({"keys": [{"code": "P1"}]}, False),
        ({"domain": "orders", "keys": [KEY]}, False),
        ({}, False),
        ({"from": "2026-11-23T20:00:00Z", "to": "2026-11-23T23:00:00Z"}, True),
        ({"from": "2026-11-23T20:00:00Z"}, False),
    ],
)
def test_a_resync_request_names_keys_of_its_domain(data: dict[str, Any], fits: bool) -> None:
    assert schema_accepts(RESYNC_TYPE, resync(**data)) is fits


def test_the_samples_of_a_resync_request_are_what_comporta_writes() -> None:
    for line in (CONTRACT / "samples" / "valid" / "resync.jsonl").read_text(encoding="utf-8").splitlines():
        sample = json.loads(line)
        assert schema_accepts(RESYNC_TYPE, sample)
        said = sample["data"]
        keys = [key_of(said["domain"], key) for key in said["keys"]]
        at = datetime.fromisoformat(sample["time"])
        assert json.loads(resync_event(sample["id"], said["shop"], said["domain"], keys, at)) == sample
