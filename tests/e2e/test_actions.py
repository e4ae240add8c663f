"""Actions of an operator on the command line beside switching, on real servers and on the embedded default."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from storage.order_store import OrderStore
from tests.support.command_deployment import CommandDeployment
from tests.support.order_events import decoded_order, decoded_receipt, placed, shipped
from tests.support.programs import running_programs
from tests.support.services.ports import free_port
from tests.support.stock_lines import BAD_LINE, stock_line


@pytest.fixture(params=["memory", "rabbitmq"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CommandDeployment]:
    settings: dict[str, Any] = {"ADMIN_PORT": free_port(), "DATABASE_URL": f"sqlite:///{tmp_path / 'shop.db'}"}
    if request.param == "rabbitmq":
        settings["BROKER_URL"] = request.getfixturevalue("broker_url")
        settings["DATABASE_URL"] = request.getfixturevalue("database_url")
    with running_programs(tmp_path) as programs:
        deployment = CommandDeployment(programs, settings)
        yield deployment
        deployment.database.close()


def test_messages_are_replayed_and_dropped(deployment: CommandDeployment) -> None:
    deployment.start()
    deployment.keep(stock_line(1), stock_line(2), BAD_LINE)
    bad, second, first = deployment.quarantined()
    done = deployment.run("quarantine", "replay", first, "unknown-id", "--why", "the ERP was mended")
    assert (done.code, done.out) == (1, "1 messages replayed\n")
    assert "unknown-id" in done.err
    deployment.wait_for_outcomes(applied=1)
    assert deployment.run("quarantine", "replay").code == 2
    asked = deployment.run("quarantine", "drop", second)
    assert (asked.code, "Remove 1 messages" in asked.err, "--yes" in asked.err) == (2, True, True)
    assert deployment.run("quarantine", "replay", "--reason", "number_not_string", "--json").json["replayed"] == 2
    deployment.wait_for_outcomes(applied=2, quarantined=1)
    [again] = deployment.quarantined()
    assert again not in {first, second, bad}
    assert deployment.run("quarantine", "drop", "--all", "--yes", "--json").json == {"chosen": 1, "dropped": 1}
    assert deployment.quarantined() == []
    acts = [(row["action"], row["count"], row["reason"], row["subject"]) for row in deployment.rows("audit")]
    assert acts == [
        ("drop", 1, None, "all"),
        ("replay", 2, None, "reason=number_not_string"),
        ("replay", 1, "the ERP was mended", first),
    ]
    embedded = "BROKER_URL" not in deployment.settings
    who = ("local", "http") if embedded else (getpass.getuser(), "cli")
    assert {(row["by"], row["source"]) for row in deployment.rows("audit")} == {who}


def test_the_erp_is_asked_for_what_was_missed(deployment: CommandDeployment, tmp_path: Path) -> None:
    deployment.start()
    (tmp_path / "stock.jsonl").write_bytes(b"\n".join(stock_line(version) for version in range(1, 4)) + b"\n")
    assert deployment.run("pause", "--reason", "maintenance").code == 0
    assert deployment.run("publish", str(tmp_path / "stock.jsonl")).code == 0
    deployment.wait_for_outcomes(discarded=3)
    assert deployment.run("resume", "--reason", "done").code == 0
    dry = deployment.run("missed", "resync", "--dry-run", "--json")
    assert dry.json == {"keys": 3, "messages": 1, "requested": 0, "asked_recently": 0}
    assert deployment.run("missed", "resync", "--shop", "other", "--json").json["requested"] == 0
    assert deployment.run("missed", "resync", "--domain", "orders").code == 2
    done = deployment.run("missed", "resync", "--domain", "stock")
    assert (done.code, done.out) == (0, "The ERP is asked for 3 of 3 missed keys\n")
    again = deployment.run("missed", "resync", "--domain", "stock")
    assert again.out.splitlines() == [
        "The ERP is asked for 0 of 0 missed keys",
        "3 more were asked for a moment ago; --again asks for them too",
    ]
    assert deployment.run("missed", "resync", "--again", "--json").json["requested"] == 3
    newest = deployment.rows("audit")[0]
    assert (newest["action"], newest["count"]) == ("resync", 3)
    assert {(row["asked_count"], bool(row["asked_at"])) for row in deployment.rows("missed", "list")} == {(2, True)}
    assert len(deployment.rows("missed", "list", "--text", "P2")) == 1


def test_orders_are_retried_one_by_one_and_all_of_a_state(deployment: CommandDeployment) -> None:
    OrderStore(deployment.database.fence, "w0").commit([decoded_order(placed(name)) for name in ("a", "b", "c")])
    with deployment.database.fence.shared() as connection:
        connection.exec_driver_sql("UPDATE orders SET state = 'rejected'")
    # Switched off, so that nothing leaves again while the test looks.
    deployment.start()
    assert deployment.run("pause", "--reason", "test").code == 0
    done = deployment.run("orders", "retry", "a", "unknown", "--why", "credit given")
    assert (done.code, done.out) == (1, "1 of 2 orders wait to be sent again\n")
    assert "unknown" in done.err
    assert deployment.run("orders", "retry", "--state", "internalized").code == 2
    assert deployment.run("orders", "retry", "a", "--state", "rejected").code == 2
    assert deployment.run("orders", "retry", "--state", "rejected", "--json").json == {"chosen": 2, "retried": 2}
    assert {row["state"] for row in deployment.rows("orders", "list")} == {"waiting"}
    assert deployment.rows("orders", "list", "--older-than", "1h") == []
    assert deployment.rows("orders", "list", "--overdue") == []
    counted = [(row["action"], row["subject"], row["count"]) for row in deployment.rows("audit") if row["count"]]
    assert counted == [("retry", "state=rejected", 2), ("retry", "a", 1)]


def test_orders_are_held_released_and_cancelled_one_by_one_and_by_a_filter(deployment: CommandDeployment) -> None:
    OrderStore(deployment.database.fence, "w0").commit([decoded_order(placed(name)) for name in ("a", "b", "c")])
    with deployment.database.fence.shared() as connection:
        connection.exec_driver_sql("UPDATE orders SET state = 'rejected'")
    # Switched off, so that nothing that is released leaves while the test looks.
    deployment.start()
    assert deployment.run("pause", "--reason", "test").code == 0
    done = deployment.run("orders", "hold", "a", "unknown", "--why", "address")
    assert (done.code, done.out) == (1, "1 of 2 orders held\n")
    assert "unknown stays as it is" in done.err
    dry = deployment.run("orders", "hold", "--state", "rejected", "--dry-run", "--json")
    assert dry.json == {"chosen": 2, "changed": 0}
    too_many = deployment.run("orders", "hold", "--state", "rejected", "--expected", "3")
    assert too_many.code == 1
    assert "3" in too_many.err
    assert deployment.run("orders", "hold").code == 2
    assert deployment.run("orders", "hold", "b", "--dry-run").code == 2
    assert states(deployment) == {"a": "held", "b": "rejected", "c": "rejected"}
    done = deployment.run("orders", "hold", "--all", "--expected", "2", "--reason", "strike")
    assert (done.code, done.out) == (0, "2 of 2 orders held\n")
    assert deployment.run("orders", "release", "c").out == "1 of 1 orders released\n"
    assert deployment.run("orders", "cancel", "--state", "held", "--json").json == {"chosen": 2, "changed": 2}
    assert states(deployment) == {"a": "cancelled", "b": "cancelled", "c": "waiting"}
    counted = [(row["action"], row["subject"], row["reason"], row["count"]) for row in deployment.rows("audit")]
    assert [each for each in counted if each[3]] == [
        ("cancel", "state=held", None, 2),
        ("release", "c", None, 1),
        ("hold", "all", "strike", 2),
        ("hold", "a", "address", 1),
    ]


def states(deployment: CommandDeployment) -> dict[str, str]:
    """The state of each order."""
    return {row["order_id"]: row["state"] for row in deployment.rows("orders", "list")}


def test_a_refused_order_is_found_by_its_number_and_accepted_as_it_is(deployment: CommandDeployment) -> None:
    store = OrderStore(deployment.database.fence, "w0")
    refusal, kind = Refusal(Reason.ORDER_SUM, "/data/total", "must equal the sum"), "application/cloudevents+json"
    store.commit([RejectedDelivery("main", "orders", refusal, placed("odd", total="1.00"), "main", kind, {}, False)])
    deployment.start()
    assert deployment.run("pause", "--reason", "test").code == 0
    shown = deployment.run("orders", "show", "odd", "--json").json
    assert (shown["state"], [each["reason"] for each in shown["refused"]]) == ("refused", ["order_sum"])
    [identity] = deployment.quarantined()
    assert f"quarantine accept {identity}" in " ".join(deployment.run("orders", "show", "odd").out.split())
    done = deployment.run("quarantine", "accept", identity, "--why", "paid")
    assert done.code == 0, done.err
    assert deployment.quarantined() == []
    store.commit([decoded_receipt(shipped("odd", "BR123"))])
    shown = deployment.run("orders", "show", "odd")
    assert "BR123" in shown.out
    order = deployment.run("orders", "show", "odd", "--json").json
    assert (order["state"], order["accepted_as_is"]["reason"]) == ("waiting", "paid")
    assert [each["event"] for each in order["events"]] == ["shipped"]
