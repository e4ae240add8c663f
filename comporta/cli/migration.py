"""Migration plan in words and as JSON, and the last step of an upgrade, for `comporta migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comporta.cli.output import console, errors

if TYPE_CHECKING:
    from storage.database import Database
    from storage.migration_plan import MigrationPlan, MigrationStep

__all__ = ["narrow_missed", "plan_json", "print_plan"]


def print_plan(plan: MigrationPlan) -> None:
    """Print the steps with their tables and times; nothing if there is nothing to do."""
    if plan.before is None:
        _print(
            f"the database is new: {len(plan.steps)} steps make revision {plan.after}, in about {_time(plan.seconds)}"
        )
        return
    if not plan.steps:
        return
    _print(f"{len(plan.steps)} steps lead from revision {plan.before} to {plan.after}:")
    for step in plan.steps:
        _print(f"  {step.revision}  {step.description}{_reads(step)}")
    _print(
        f"all of it takes about {_time(plan.seconds)}, in one transaction; writes to the tables that are read wait "
        "meanwhile, and running workers go on afterwards"
    )


def plan_json(plan: MigrationPlan) -> dict[str, Any]:
    """Return the plan as a JSON document."""
    steps = [
        {
            "revision": step.revision,
            "description": step.description,
            "tables": [table._asdict() for table in step.tables],
            "seconds": round(step.seconds, 2),
        }
        for step in plan.steps
    ]
    return {"before": plan.before, "after": plan.after, "steps": steps, "seconds": round(plan.seconds, 2)}


def narrow_missed(database: Database) -> None:
    """Narrow the index of the missed keys if no worker needs their primary key any more, and say what is left."""
    from storage.errors import StorageError
    from storage.narrow_index import Narrowing

    try:
        result = database.narrow_missed()
    except StorageError as error:
        errors.print(f"the missed keys keep their primary key for now: {error}", markup=False, soft_wrap=True)
        return
    if result is Narrowing.NARROWED:
        errors.print("the missed keys have the narrow index now, instead of their primary key", soft_wrap=True)
    elif result is Narrowing.FORMER_WORKERS:
        errors.print(
            "the missed keys keep their primary key until no worker of a former release has been heard of for an hour; "
            "a process whose role owns the tables replaces it then, or run `comporta migrate` once more",
            markup=False,
            soft_wrap=True,
        )


def _reads(step: MigrationStep) -> str:
    if not step.tables:
        return ""
    tables = ", ".join(f"{table.name} ({table.rows:,} rows)" for table in step.tables)
    return f" Reads {tables}: about {_time(step.seconds)}."


def _time(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _print(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True, highlight=False)
