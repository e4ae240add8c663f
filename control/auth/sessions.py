"""Sessions: a signed cookie that says who and until when; it counts as long as their token does."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

import orjson

from control.auth.operators import CredentialStore
from control.auth.tokens import Credential, Identity

__all__ = ["SESSION_SECONDS", "Sessions"]

SESSION_SECONDS = 12 * 3600


class _Session(NamedTuple):
    identity: str
    name: str
    digest: str
    ends: int


class Sessions:
    """Issues and reads them with a key that ends with the process."""

    def __init__(self, registry: CredentialStore, clock: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, int] = {}

    def issue(self, holder: Credential) -> str:
        """A new session for them, as the cookie's value."""
        ends = int(self._clock()) + SESSION_SECONDS
        session = _Session(secrets.token_urlsafe(12), holder.who.name, self._mark(holder.digest), ends)
        payload = base64.urlsafe_b64encode(orjson.dumps(list(session))).rstrip(b"=").decode()
        return f"{payload}.{self._sign(payload)}"

    def who(self, value: str) -> Identity | None:
        """Whose session it is; None once it has ended, or its owner is gone or has another token."""
        session = self._read(value)
        if session is None or session.identity in self._ended or session.ends <= self._clock():
            return None
        for holder in self._registry.holders():
            if holder.who.name == session.name and hmac.compare_digest(self._mark(holder.digest), session.digest):
                return holder.who
        return None

    def end(self, value: str) -> None:
        """Ends a session for good, whoever else may have its cookie."""
        now = self._clock()
        self._ended = {identity: ends for identity, ends in self._ended.items() if ends > now}
        if (session := self._read(value)) is not None:
            self._ended[session.identity] = session.ends

    def _read(self, value: str) -> _Session | None:
        payload, _, signature = value.partition(".")
        if not hmac.compare_digest(signature.encode(errors="replace"), self._sign(payload).encode()):
            return None
        try:
            return _Session(*orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
        except (ValueError, TypeError, binascii.Error):
            return None

    def _sign(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(errors="replace"), "sha256").hexdigest()

    def _mark(self, digest: str) -> str:
        # Which token it was, without telling the cookie's bearer what the file keeps of it.
        return hmac.new(self._key, digest.encode(), "sha256").hexdigest()[:32]
