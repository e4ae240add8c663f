"""`comporta item` and its API: the last versions of a key, over HTTP and on the database alone."""

from __future__ import annotations

from typing import Any

from tests.support.event_samples import sample_event
from tests.support.programs import Programs
from tests.support.services.ports import free_port
from tests.support.wait import wait_until

KEY = '{"product_code": "789/1", "branch": "1", "warehouse": "A"}'


def test_versions_are_told_over_http_and_on_the_database_alone(programs: Programs) -> None:
    database = f"sqlite:///{programs.folder / 'comporta.db'}"
    running: dict[str, Any] = {"ADMIN_PORT": free_port(), "DATABASE_URL": database, "HISTORY": 20}
    alone: dict[str, Any] = {"BROKER_URL": "amqp://127.0.0.1:1/", "DATABASE_URL": database}
    programs.start("run", **running).wait_for("listening")
    key = {"product_code": "789/1", "branch": "1", "warehouse": "A"}

    def versions() -> Any:
        return programs.run("item", "history", "main", "stock", KEY, "--json", **running).json

    for n in (1, 2):
        # Of one batch only the newest event of a key is applied.
        events = programs.folder / f"events{n}.jsonl"
        envelope = {"id": f"e{n}", "sequence": str(n)}
        events.write_bytes(sample_event("stock", **key, on_hand=f"{n}.000", available=None, envelope=envelope))
        assert programs.run("publish", str(events), **running).code == 0
        wait_until(lambda n=n: len(versions()) == n, what=f"{n} versions")
    newest, oldest = versions()
    assert (newest["version"], newest["outcome"], newest["changed"]["on_hand"]) == (2, "applied", ["1.000", "2.000"])
    assert (oldest["event_id"], oldest["changed"]) == ("e1", {})
    assert programs.run("item", "history", "main", "stock", KEY, "--json", **alone).json == versions()
    shown = programs.run("item", "history", "main", "stock", KEY, **running).out
    assert "on_hand: 1.000 -> 2.000" in " ".join(shown.split())
    [event] = programs.run("item", "event", "e2", "--json", **running).json
    assert (event["key"]["product_code"], event["outcome"]) == ("789/1", "applied")
    assert "no version of it is kept" in " ".join(programs.run("item", "event", "e9", **alone).out.split())
    for key_text in ("789/1/1/A/x", "789", "{", '{"code": "1"}'):
        wrong = programs.run("item", "history", "main", "stock", key_text, **alone)
        assert (wrong.code, "product_code/branch/warehouse/lot" in wrong.err) == (2, True), key_text
        assert "/product_code " not in wrong.err
    assert "customers are not kept" in programs.run("item", "history", "main", "customers", "C1", **alone).out
