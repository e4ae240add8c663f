"""`/docs`: the OpenAPI document for people, shown by files of our own."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from comporta.web.pages.rendering import address
from comporta.web.pages.static_files import static_path

__all__ = ["docs_router"]

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
