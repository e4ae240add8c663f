"""How the command line reaches a running Comporta: by the broker, or by HTTP where the broker is embedded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import TypeAdapter

from control.settings import Settings
from producers.errors import NoReply
from schemas.control import Action, Reply, StatusDocument

if TYPE_CHECKING:
    import httpx

    from storage.views import Views

__all__ = ["Remote", "remote_for"]

Rows = list[dict[str, Any]]
_ROWS: TypeAdapter[Rows] = TypeAdapter(Rows)


class Remote(Protocol):
    """What a command may ask."""

    def change(self, action: Action, body: bytes, message_id: str, timeout: float) -> Reply:
        """Sends a control message and waits for the reply; raises `NoReply`."""

    def status(self) -> StatusDocument:
        """The status document."""

    def rows(self, what: str, filters: Mapping[str, Any]) -> Rows:
        """The rows of `missed`, `quarantine` or `audit`."""

    def quarantined(self, identity: str) -> dict[str, Any] | None:
        """One refused message, whole."""


def remote_for(settings: Settings) -> Remote:
    """The way that these settings leave."""
    return _Http(settings) if settings.embedded else _Broker(settings)


class _Broker:
    """Changes go through the broker; what is looked at comes from the database, broker or not."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.broker_url
        self._database_url = settings.database_url

    @property
    def _views(self) -> Views:
        from storage.database import open_database

        return open_database(self._database_url).views

    def change(self, action: Action, body: bytes, message_id: str, timeout: float) -> Reply:
        # Each way's library is loaded only where it is used: a command should answer at once.
        from producers.remote import request

        return Reply.model_validate_json(request(self._url, action, body, timeout=timeout, message_id=message_id))

    def status(self) -> StatusDocument:
        return self._views.status()

    def rows(self, what: str, filters: Mapping[str, Any]) -> Rows:
        views = self._views
        ways: dict[str, Callable[..., Rows]]
        ways = {"missed": views.missed, "quarantine": views.quarantined, "audit": views.audit}
        return ways[what](**filters)

    def quarantined(self, identity: str) -> dict[str, Any] | None:
        found = self._views.quarantined_message(identity)
        return found and {**found, "body": found["body"].decode(errors="backslashreplace")}


class _Http:
    """Everything goes to the one process that holds the embedded broker."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.admin_url

    def change(self, action: Action, body: bytes, message_id: str, timeout: float) -> Reply:
        headers = {"content-type": "application/json", "idempotency-key": message_id}
        answer = self._ask("POST", f"/api/{action}", timeout=timeout, content=body, headers=headers)
        if "result" not in answer.json():
            raise NoReply(f"{self._url} answered {answer.status_code}: {answer.json().get('detail')}")
        return Reply.model_validate_json(answer.content)

    def status(self) -> StatusDocument:
        return StatusDocument.model_validate_json(self._found("/api/status", {}).content)

    def rows(self, what: str, filters: Mapping[str, Any]) -> Rows:
        wanted = {name: value for name, value in filters.items() if value is not None}
        return _ROWS.validate_json(self._found(f"/api/{what}", wanted).content)

    def quarantined(self, identity: str) -> dict[str, Any] | None:
        answer = self._ask("GET", f"/api/quarantine/{identity}")
        return None if answer.status_code == 404 else dict(answer.json())

    def _found(self, path: str, parameters: Mapping[str, Any]) -> httpx.Response:
        answer = self._ask("GET", path, params=parameters)
        if answer.status_code != 200:
            raise NoReply(f"{self._url}{path} answered {answer.status_code}: {answer.text[:200]}")
        return answer

    def _ask(self, method: str, path: str, *, timeout: float = 10.0, **options: Any) -> httpx.Response:
        import httpx

        try:
            return httpx.request(method, self._url + path, timeout=timeout, trust_env=False, **options)
        except httpx.HTTPError as error:
            raise NoReply(
                f"no running Comporta at {self._url} ({type(error).__name__}): with memory:// this command talks to "
                "the process of `comporta run` or `comporta demo`; COMPORTA_ADMIN_PORT names its port"
            ) from None
