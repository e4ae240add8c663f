"""Running Comporta with its database, and commands that are given to it."""

from __future__ import annotations

from typing import Any

from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from storage.database import open_database
from storage.quarantine import add_rejected
from storage.switches import read_switches
from tests.support.programs import CompletedCommand, Program, Programs
from tests.support.wait import wait_until

__all__ = ["CommandDeployment"]


class CommandDeployment:
    """A running Comporta, what lies in its database, and commands that are given to it."""

    def __init__(self, programs: Programs, settings: dict[str, Any]) -> None:
        self.programs, self.settings = programs, settings
        self.database = open_database(settings["DATABASE_URL"])
        self.database.migrate()

    def start(self) -> Program:
        """Comporta, ready."""
        program = self.programs.start("run", **self.settings)
        program.wait_for("listening")
        program.wait_for("broker connected", session="events")
        program.wait_for("broker connected", session="control")
        return program

    def run(self, *arguments: str) -> CompletedCommand:
        """Runs a command to its end."""
        return self.programs.run(*arguments, **self.settings)

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """The rows that a command lists."""
        done = self.run(*arguments, "--json")
        assert done.code == 0, done.err
        rows: list[dict[str, Any]] = done.json
        return rows

    def keep(self, *bodies: bytes, shop: str = "main") -> None:
        """Puts messages into the quarantine, as a worker does."""
        refusal = Refusal(Reason.NUMBER_NOT_STRING, "/data/on_hand", "must be a JSON string")
        kind = "application/cloudevents+json"
        items = [
            RejectedDelivery(shop, "stock", refusal, body, f"{shop}.stock", kind, {}, redelivered=False)
            for body in bodies
        ]
        with self.database.fence.shared() as connection:
            add_rejected(connection, "w0", items, read_switches(connection).now)

    def quarantined(self) -> list[str]:
        """The ids of what is in the quarantine."""
        return [row["id"] for row in self.rows("quarantine", "list")]

    def wait_for_outcomes(self, **wanted: int) -> None:
        """Waits until so many events of stock had these outcomes."""
        totals = self.database.views.totals
        wait_until(lambda: wanted.items() <= totals().get("stock", {}).items(), what=f"{wanted}")
