"""OpenAPI document with the error responses of every route, and the Swagger UI page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from comporta.web.pages.renderer import address
from comporta.web.pages.static_files import static_path
from comporta.web.problems import PROBLEM_TYPE, Problem

__all__ = ["describe_errors", "docs_router"]
_ERRORS = {
    "400": "The request can't be read; `detail` names the fault",
    "401": "No valid token or session",
    "403": "The caller's role does not allow it, or another site triggered the request",
    "500": "Internal error",
    "503": "The database or the broker is unavailable",
}
_OPEN = ("/healthz", "/readyz", "/metrics")
_CONFLICT = {"409": "The current state does not allow this"}
_BODY = {"413": "The body is too long", "415": "The content type of the body is not accepted"}
# The document's address is an attribute because our Content-Security-Policy forbids inline scripts.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comporta: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{css}">
</head>
<body>
<main id="api" data-document="{document}"></main>
<script src="{bundle}"></script>
<script src="{start}"></script>
</body>
</html>
"""


def describe_errors(app: FastAPI) -> None:
    """Add the errors and the security scheme to the OpenAPI document; drop 422, which no route returns."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(
                get_openapi(
                    title=app.title, version=app.version, routes=app.routes, separate_input_output_schemas=False
                )
            )
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _described(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs", {}), "Problem": problem}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "The token of `comporta operator add`."}
    }
    for path, operations in document["paths"].items():
        for method in operations.keys() & _ERRORS_BY_METHOD.keys():
            _add_errors(operations[method], _ERRORS_BY_METHOD[method](path), is_open=path in _OPEN)
    return document


def _add_errors(operation: dict[str, Any], more: Mapping[str, str], *, is_open: bool) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    if is_open:
        return
    operation["security"] = [{"token": []}]
    for code, description in {**_ERRORS, **more}.items():
        content = responses.setdefault(code, {"description": description}).setdefault("content", {})
        content.setdefault(PROBLEM_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}})


def _read_errors(path: str) -> dict[str, str]:
    return {"404": "Not found"} if "{" in path else {}


def _write_errors(path: str) -> dict[str, str]:
    return {**_read_errors(path), **_CONFLICT, **_BODY}


_ERRORS_BY_METHOD = {
    "get": _read_errors,
    "post": _write_errors,
    "put": _write_errors,
    "patch": _write_errors,
    "delete": _write_errors,
}


def docs_router() -> APIRouter:
    """Return the route of the API documentation."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    def docs(request: Request) -> Response:
        return HTMLResponse(
            _PAGE.format(
                css=address(request, static_path("vendor/swagger-ui/swagger-ui.css")),
                bundle=address(request, static_path("vendor/swagger-ui/swagger-ui-bundle.js")),
                start=address(request, static_path("js/docs.js")),
                document=address(request, "/openapi.json"),
            )
        )

    return router
