"""The OpenAPI document: what every route can answer beside what it says itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from comporta.web.pages.rendering import address
from comporta.web.pages.static_files import static_path
from comporta.web.problems import PROBLEM_TYPE, Problem

__all__ = ["describe_errors", "docs_router"]
_ERRORS = {
    "400": "The request can't be read; what is wrong is named",
    "401": "Nobody we know asks: send a token",
    "403": "Whoever asks may only look, or another site has caused the request",
    "500": "Something is wrong inside Comporta",
    "503": "The database or the broker is away",
}
_OPEN = ("/healthz", "/readyz", "/metrics")
_CONFLICT = {"409": "As things stand now it can't be done"}
_BODY = {"413": "The body is too long", "415": "The body has another content type than is taken"}
# The document's address stands in an attribute: the policy of our headers allows no script in the page itself.
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
    """Lets the application's document name the errors, the ways to show who asks, and no 422, which nothing answers."""

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
        for method in operations.keys() & _MORE.keys():
            _add_errors(operations[method], _MORE[method](path), is_open=path in _OPEN)
    return document


def _add_errors(operation: dict[str, Any], more: Mapping[str, str], *, is_open: bool) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    if is_open:
        return
    operation["security"] = [{"token": []}]
    for code, says in {**_ERRORS, **more}.items():
        content = responses.setdefault(code, {"description": says}).setdefault("content", {})
        content.setdefault(PROBLEM_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}})


def _looked_at(path: str) -> dict[str, str]:
    return {"404": "There is no such thing"} if "{" in path else {}


def _acted_on(path: str) -> dict[str, str]:
    return {**_looked_at(path), **_CONFLICT, **_BODY}


_MORE = {"get": _looked_at, "post": _acted_on, "put": _acted_on, "patch": _acted_on, "delete": _acted_on}


def docs_router() -> APIRouter:
    """The door to the API's documentation."""
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
