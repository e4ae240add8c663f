"""Page client: requests as a browser sends them, and the HTML that comes back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx

from comporta.web.request import Identity, Role
from tests.support.web_harness import WebHarness, signed_in_as

__all__ = ["Element", "HtmlPage", "PageClient"]

_VOID = frozenset({"meta", "link", "input", "img", "br", "path", "rect"})


@dataclass
class Element:
    """Element of a page: its name, its attributes and all the text inside it."""

    name: str
    attributes: dict[str, str]
    text: str = ""

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute]


@dataclass
class HtmlPage(HTMLParser):
    """Page, parsed into its elements."""

    answer: httpx.Response
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []
        self.feed(self.answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().name != tag:
            pass

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, /, **attributes: str) -> list[Element]:
        """Return the elements of a name with these attributes (`class_` for class, `_` for `-`)."""
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [
            each
            for each in self.elements
            if each.name == tag and all(each.attributes.get(key) == value for key, value in wanted.items())
        ]

    def one(self, tag: str, /, **attributes: str) -> Element:
        """Return the only such element."""
        [found] = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        """All the text, with single spaces."""
        return " ".join(self.all("main")[0].text.split()) if self.all("main") else " ".join(self.answer.text.split())

    def form(self, action: str) -> dict[str, Any]:
        """Return the fields that a form to this address would send as it stands."""
        posting = {"action": action, "method": "post"}
        [start] = [at for at, each in enumerate(self.elements) if posting.items() <= each.attributes.items()]
        sent: dict[str, Any] = {}
        for element in self.elements[start + 1 :]:
            if element.name == "form":
                break
            name, kind = element.attributes.get("name"), element.attributes.get("type", "text")
            if element.name != "input" or name is None:
                continue
            if kind not in ("radio", "checkbox") or "checked" in element.attributes:
                sent.setdefault(name, []).append(element.attributes.get("value", ""))
        return sent


class PageClient:
    """Browser of a signed-in person."""

    def __init__(self, web: WebHarness, role: Role = Role.OPERATOR, *, language: str = "en", root: str = "") -> None:
        self._app = signed_in_as(web.app, Identity("ana", role))
        self._root = root
        self._headers = {"accept": "text/html", "accept-language": language}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request."""
        return asyncio.run(self._request(method, path, options))

    async def _request(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, root_path=self._root, raise_app_exceptions=False)
        headers = {**self._headers, **options.pop("headers", {})}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            return await client.request(method, path, **options)

    def get_page(self, path: str, status: int = 200, **options: Any) -> HtmlPage:
        """Get a page; fail unless it has this status."""
        answer = self.request("GET", path, **options)
        assert answer.status_code == status, answer.text
        return HtmlPage(answer)

    def post_form(self, path: str, status: int = 200, **data: Any) -> HtmlPage:
        """Post a form; fail unless the answer has this status."""
        answer = self.request("POST", path, data=data)
        assert answer.status_code == status, answer.text
        return HtmlPage(answer)
