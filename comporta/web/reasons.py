"""Pages of reasons and warnings over HTTP, for those who have no copy of the repository."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from comporta.web.pages.renderer import address
from comporta.web.pages.static_files import static_path
from schemas.reason_docs import DocLanguage

__all__ = ["REASONS_PATH", "WARNINGS_PATH", "reasons_router"]

REASONS_PATH, WARNINGS_PATH = "/docs/reasons", "/docs/warnings"
# The file's link to the other language, and its note on where the text is made.
_LANGUAGE_LINK = re.compile(r"\[(Em português|In English)\]\(\w+(?:\.pt-BR)?\.md\)")
_SOURCE = re.compile(r"^(Made from|Gerado de) .*\n", re.MULTILINE)
_CODE = re.compile(r"<h3>(\w+)</h3>")
_DOCUMENT = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comporta: {title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{base}">
<link rel="stylesheet" href="{content}">
</head>
<body>
<main class="prose">
{text}</main>
</body>
</html>
"""


def reasons_router() -> APIRouter:
    """Return the routes of the pages; `lang` is `en` or `pt-BR`, by default what the browser prefers."""
    router = APIRouter(include_in_schema=False)

    def page(request: Request, lang: Annotated[DocLanguage | None, Query()] = None) -> HTMLResponse:
        language = lang or _preferred(request)
        return HTMLResponse(_page(request, request.scope["route"].path, language))

    for path in (REASONS_PATH, WARNINGS_PATH):
        router.add_api_route(path, page, methods=["GET", "HEAD"])
    return router


def _preferred(request: Request) -> DocLanguage:
    return "pt-BR" if request.headers.get("accept-language", "").lower().startswith("pt") else "en"


def _page(request: Request, path: str, language: DocLanguage) -> str:
    title, text = _content(path, language, address(request, path))
    base, content = (address(request, static_path(f"css/{name}.css")) for name in ("base", "content"))
    return _DOCUMENT.format(language=language, title=title, base=base, content=content, text=text)


# Made once: the pages are open to everybody. A process has one address, or one below its public path.
@lru_cache(maxsize=16)
def _content(path: str, language: DocLanguage, own_address: str) -> tuple[str, str]:
    """Return the title of a page and its text as HTML."""
    # Loaded here: the generator of the contract's files and that of HTML are needed by nothing else of a server.
    from markdown_it import MarkdownIt

    from schemas.contract import reasons_page, warnings_page

    other = "en" if language == "pt-BR" else "pt-BR"
    markdown = _SOURCE.sub("", (reasons_page if path == REASONS_PATH else warnings_page)(language))
    markdown = _LANGUAGE_LINK.sub(rf"[\1]({own_address}?lang={other})", markdown)
    title = markdown.partition("\n")[0].removeprefix("# ")
    return title, _CODE.sub(r'<h3 id="\1">\1</h3>', MarkdownIt().render(markdown))
