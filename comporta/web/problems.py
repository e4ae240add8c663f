"""Every error of the API in one form: problem details (RFC 9457), and never the text of an exception."""

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
    """One thing that is wrong; a fault of an event also has a reason, a pointer and where it is explained."""

    model_config = ConfigDict(extra="allow")

    sentence: str
    where: str | None = None


class Problem(BaseModel):
    """An error (RFC 9457): its status, a title that is the same each time, and a sentence about this one."""

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
    """An error's answer; `errors` are the faults one by one."""
    content = {"type": "about:blank", "title": title or _title(status), "status": status, "detail": detail}
    if errors is not None:
        content["errors"] = list(errors)
    return JSONResponse(content, status, dict(headers or {}), media_type=PROBLEM_TYPE)


def install_problems(app: FastAPI) -> None:
    """Lets every error of the application be answered so."""
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(BadCursor, _bad_value)
    app.add_exception_handler(RangeTooLong, _bad_value)
    app.add_exception_handler(RowRefused, _refused)
    app.add_exception_handler(StorageError, _away)
    app.add_exception_handler(Exception, _broken)


def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # Starlette's own errors say no more than the title does.
    return problem(error.status_code, _sentence(error), headers=error.headers)


def _sentence(error: HTTPException) -> str:
    says = str(error.detail)
    return _SENTENCES.get(error.status_code, says) if says == _title(error.status_code) else says


def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [
        {"where": _place(fault["loc"]), "sentence": fault["msg"].removeprefix("Value error, ")}
        for fault in error.errors()
    ]
    named = "; ".join(f"{fault['where']}: {fault['sentence']}" for fault in faults[:5])
    return problem(400, f"the request can't be read: {named}", errors=faults)


def _place(location: Sequence[int | str]) -> str:
    # The first part says whether it stood in the query, the path or the body.
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _bad_value(_request: Request, error: Exception) -> Response:
    where, _, sentence = str(error).partition(": ")
    return problem(400, str(error), errors=[{"where": where, "sentence": sentence}])


def _refused(_request: Request, error: Exception) -> Response:
    return problem(400, f"a value of the request is one that no row can hold; {error}")


def _away(_request: Request, error: Exception) -> Response:
    return problem(503, str(error), title="Database away", headers=_RETRY_AFTER)


def _broken(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, method=request.method, error=type(error).__name__)
    return problem(500, "something is wrong inside Comporta; its log says what")


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


_SENTENCES = {
    404: "there is nothing at this address; /docs lists what there is",
    405: "this address is not asked in this way; /docs lists what may be asked, and how",
}


def act_refused(_request: Request, error: Exception) -> Response:
    """The answer to an act that can't be done (RFC 9457)."""
    assert isinstance(error, ActionError)
    code = error.status
    numbers = {"expected": error.expected, "now": error.now} if isinstance(error, CountChanged) else {}
    problem = {"type": "about:blank", "title": _ACTION_TITLES[code], "status": code, "detail": str(error), **numbers}
    headers = {"Retry-After": "5"} if code == 503 else None
    return JSONResponse(problem, code, headers, media_type=PROBLEM_TYPE)


_ACTION_TITLES = {404: "Not there", 409: "Not as things stand", 503: "Not confirmed"}
