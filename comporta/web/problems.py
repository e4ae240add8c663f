"""Problem details (RFC 9457) for every error of the API; an unexpected exception's text is never shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from rules.actions import ActionError, CountChanged
from storage.errors import RowRefused, StorageError
from storage.views import BadCursor, RangeTooLong

__all__ = ["PROBLEM_TYPE", "Fault", "Problem", "install_problems", "problem"]

log = structlog.get_logger(__name__)

PROBLEM_TYPE = "application/problem+json"
_RETRY_AFTER = {"Retry-After": "5"}


class Fault(BaseModel):
    """One fault of a request; a fault of an event also has a reason, a pointer and a link to the reason's docs."""

    model_config = ConfigDict(extra="allow")

    sentence: str
    where: str | None = None


class Problem(BaseModel):
    """Problem details (RFC 9457): the status, a title per kind of problem, and a sentence about this occurrence."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = None


def problem(
    status: int,
    detail: str,
    *,
    title: str | None = None,
    errors: Sequence[Mapping[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem details response; `errors` lists the faults."""
    content = {"type": "about:blank", "title": title or _title(status), "status": status, "detail": detail}
    if errors is not None:
        content["errors"] = list(errors)
    return JSONResponse(content, status, dict(headers or {}), media_type=PROBLEM_TYPE)


def install_problems(app: FastAPI) -> None:
    """Register a handler for every error of the application."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(BadCursor, _bad_value)
    app.add_exception_handler(RangeTooLong, _bad_value)
    app.add_exception_handler(RowRefused, _refused)
    app.add_exception_handler(StorageError, _database_away)
    app.add_exception_handler(Exception, _unexpected)


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # The detail of Starlette's own errors only repeats the title.
    return problem(error.status_code, _sentence(error), headers=error.headers)


def _sentence(error: HTTPException) -> str:
    detail = str(error.detail)
    return _SENTENCES.get(error.status_code, detail) if detail == _title(error.status_code) else detail


def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [
        {"where": _location(fault["loc"]), "sentence": fault["msg"].removeprefix("Value error, ")}
        for fault in error.errors()
    ]
    summary = "; ".join(f"{fault['where']}: {fault['sentence']}" for fault in faults[:5])
    return problem(400, f"the request can't be read: {summary}", errors=faults)


def _location(location: Sequence[int | str]) -> str:
    # The first part is query, path or body.
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _bad_value(_request: Request, error: Exception) -> Response:
    where, _, sentence = str(error).partition(": ")
    return problem(400, str(error), errors=[{"where": where, "sentence": sentence}])


def _refused(_request: Request, error: Exception) -> Response:
    return problem(400, f"the request contains a value that no row can hold: {error}")


def _database_away(_request: Request, error: Exception) -> Response:
    return problem(503, str(error), title="Database away", headers=_RETRY_AFTER)


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, method=request.method, error=type(error).__name__)
    return problem(500, "internal error in Comporta; its log has the cause")


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


_SENTENCES = {
    404: "no such route; /docs lists the routes",
    405: "this route does not support the method; /docs lists the routes and their methods",
}


def action_refused(_request: Request, error: Exception) -> Response:
    """Return the problem details of an operator's action that was refused."""
    assert isinstance(error, ActionError)
    code = error.status
    numbers = {"expected": error.expected, "now": error.now} if isinstance(error, CountChanged) else {}
    problem = {"type": "about:blank", "title": _ACTION_TITLES[code], "status": code, "detail": str(error), **numbers}
    headers = {"Retry-After": "5"} if code == 503 else None
    return JSONResponse(problem, code, headers, media_type=PROBLEM_TYPE)


_ACTION_TITLES = {404: "Not found", 409: "Conflict", 428: "Would be discarded", 503: "Not confirmed"}
