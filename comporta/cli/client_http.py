"""Client over HTTP: a running Comporta's page and API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from comporta.cli.credentials import client_credentials
from comporta.runtime.settings import Settings
from producers.errors import NoReply
from schemas.control import Action, Reply, StatusDocument

if TYPE_CHECKING:
    import httpx

    from comporta.cli.client_actions import Actions
    from comporta.cli.client_quarantine import QuarantineChanges

__all__ = ["HttpClient"]

Rows = list[dict[str, Any]]
Document = TypeVar("Document")
_ROWS: TypeAdapter[Rows] = TypeAdapter(Rows)
_ROW: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_REPLY, _STATUS = TypeAdapter(Reply), TypeAdapter(StatusDocument)


class HttpClient:
    """Client over HTTP: every request goes to the process with the embedded broker."""

    def __init__(self, settings: Settings, url: str | None = None) -> None:
        self._url = url or settings.admin_url
        self._credentials = client_credentials(settings)
        self._where = (
            "with memory:// this command talks to the process of `comporta run` or `comporta demo`; "
            "COMPORTA_ADMIN_PORT names its port"
            if url is None
            else "is COMPORTA_PUBLIC_URL right, and is `comporta admin` running?"
        )

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return self._url

    def change(self, action: Action, body: bytes, message_id: str, timeout: float) -> Reply:
        headers = {"content-type": "application/json", "idempotency-key": message_id}
        response = self._request("POST", f"/api/{action}", timeout=timeout, content=body, headers=headers)
        return self._read(_REPLY, response)

    def begin_status(self) -> None:
        pass

    def status(self) -> StatusDocument:
        return self._read(_STATUS, self._request("GET", "/api/status"))

    def rows(self, listing: str, filters: Mapping[str, Any]) -> Rows:
        params = {name: value for name, value in filters.items() if value is not None}
        return self._read(_ROWS, self._request("GET", f"/api/{listing}", params=params))

    def quarantined(self, identity: str) -> dict[str, Any] | None:
        response = self._request("GET", f"/api/quarantine/{identity}")
        return None if response.status_code == 404 else self._read(_ROW, response)

    def order(self, shop: str, order_id: str) -> dict[str, Any] | None:
        response = self._request("GET", _order_path(shop, order_id))
        return None if response.status_code == 404 else self._read(_ROW, response)

    def load(self, shop: str, domain: str, load_id: str) -> dict[str, Any] | None:
        response = self._request("GET", f"/api/loads/{shop}/{domain}/{quote(load_id, safe='')}")
        return None if response.status_code == 404 else self._read(_ROW, response)

    def pauses(self, limit: int) -> Rows:
        return self._read(_ROWS, self._request("GET", "/api/pauses", params={"limit": limit}))

    def pause(self, epoch: int) -> dict[str, Any] | None:
        response = self._request("GET", f"/api/pauses/{epoch}")
        return None if response.status_code == 404 else self._read(_ROW, response)

    def item(self, kind: str, query: Mapping[str, str]) -> Rows:
        return self._read(_ROWS, self._request("GET", f"/api/items/{kind}", params=query))

    @contextmanager
    def actions(self) -> Iterator[Actions]:
        from comporta.cli.client_actions import HttpActions

        yield HttpActions(self._request)

    @contextmanager
    def quarantine(self) -> Iterator[QuarantineChanges]:
        from comporta.cli.client_quarantine import HttpChanges

        yield HttpChanges(self._request)

    @staticmethod
    def _read(adapter: TypeAdapter[Document], response: httpx.Response) -> Document:
        # The status is not checked first: a refused control message has an error status and is a reply all the same.
        try:
            return adapter.validate_json(response.content)
        except ValidationError:
            raise NoReply(f"{response.url} answered {response.status_code}: {response.text[:200]}") from None

    def _request(
        self, method: str, path: str, *, timeout: float = 10.0, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        import httpx

        all_headers = {**self._credentials.headers, **(headers or {})}
        try:
            response = httpx.request(
                method,
                self._url + path,
                timeout=timeout,
                trust_env=False,
                # To read the certificates takes longer than most requests.
                verify=self._url.startswith("https:"),
                headers=all_headers,
                **options,
            )
        except httpx.HTTPError as error:
            raise NoReply(f"no running Comporta at {self._url} ({type(error).__name__}): {self._where}") from None
        if (refusal := self._credentials.refused(response.status_code)) is not None:
            raise NoReply(f"{self._url}: {refusal}")
        return response


def _order_path(shop: str, order_id: str) -> str:
    return f"/api/orders/{quote(shop, safe='')}/{quote(order_id, safe='')}"
