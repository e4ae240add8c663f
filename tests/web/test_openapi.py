"""The OpenAPI document says what the API does: every operation, whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance

from comporta.web.request import LOCAL
from tests.support.views_harness import change_event, rejected_delivery
from tests.support.web_harness import WebHarness, signed_in_as


@pytest.fixture(scope="module")
def filled(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHarness]:
    """An application with a bit of everything in it."""
    web = WebHarness(f"sqlite:///{copy(migrated_sqlite, tmp_path_factory.mktemp('api') / 'comporta.db')}")
    web.storage.store.commit([change_event("stock"), change_event("customers", code="C1"), rejected_delivery(b"{")])
    web.storage.accept_orders("O1", "O2")
    web.storage.discard("P1")
    yield web
    web.close()


@pytest.fixture(scope="module")
def described(filled: WebHarness) -> Any:
    """The API as its document has it; a stream doesn't end, and is looked at elsewhere."""
    document = filled.get("/openapi.json")
    # Who may is the gate's to say, which doesn't stand before this application.
    del document["components"]["securitySchemes"]
    for operations in document["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
    schema = schemathesis.openapi.from_dict(document)
    schema.app = signed_in_as(filled.app, LOCAL)
    return schema.exclude(path=["/api/events", "/api/tail"])


# Some hundred operations, each asked ten times: more than one test's time where four others work beside it.
@pytest.mark.timeout(480)
@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_answers_as_its_document_says(described: Any, mode: GenerationMode) -> None:
    """Also to what the document does not allow."""
    failures: dict[str, list[str]] = {}
    for found in described.get_all_operations():
        operation = found.ok()
        try:
            _ask(operation, mode)
        except (FailureGroup, Failure) as failure:
            single = getattr(failure, "exceptions", [failure])
            failures[operation.label] = [f"{type(each).__name__}: {each}"[:500] for each in single]
        except Unsatisfiable:
            # Without a parameter there is nothing wrong to be sent.
            assert mode is GenerationMode.NEGATIVE, operation.label
    assert not failures, "\n".join(f"{label}\n  {says}" for label, says in failures.items())


def _ask(operation: Any, mode: GenerationMode) -> None:
    @settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(mode))
    def ask(case: Any) -> None:
        # A cursor, a time in the future, a number as shown: no schema says what they may be just now.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    ask()


def test_every_operation_names_its_errors_and_who_may(filled: WebHarness) -> None:
    document = filled.get("/openapi.json")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert "422" not in answers, (method, path)
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)
            if path.startswith(("/api", "/events")):
                assert {"400", "401", "403", "500", "503"} <= set(answers), (method, path)
                assert "application/problem+json" in answers["401"]["content"], (method, path)
                assert operation["security"] == [{"token": []}], (method, path)
                good = next(code for code in ("200", "202") if code in answers)
                shapes = [media.get("schema") for media in answers[good]["content"].values()]
                assert all(shapes), (method, path, "an answer without a shape")
