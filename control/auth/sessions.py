"""Sessions: a signed cookie (HMAC-SHA256) with operator and expiry, valid no longer than the operator's token."""

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
    """Issuer and reader of session cookies; the signing key lives as long as the process."""

    def __init__(self, registry: CredentialStore, clock: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, int] = {}

    def issue(self, credential: Credential) -> str:
        """Start a session and return the cookie's value."""
        ends = int(self._clock()) + SESSION_SECONDS
        session = _Session(
            secrets.token_urlsafe(12), credential.identity.name, self._token_mark(credential.digest), ends
        )
        payload = base64.urlsafe_b64encode(orjson.dumps(list(session))).rstrip(b"=").decode()
        return f"{payload}.{self._sign(payload)}"

    def identity_of(self, value: str) -> Identity | None:
        """Return the operator of a session; None if it has ended, or the operator was removed or has another token."""
        session = self._read(value)
        if session is None or session.identity in self._ended or session.ends <= self._clock():
            return None
        for credential in self._registry.credentials():
            same_token = hmac.compare_digest(self._token_mark(credential.digest), session.digest)
            if credential.identity.name == session.name and same_token:
                return credential.identity
        return None

    def end(self, value: str) -> None:
        """End a session; no copy of its cookie is accepted any more."""
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

    def _token_mark(self, digest: str) -> str:
        # Identifies the token without revealing to the cookie's bearer the digest in the operators file.
        return hmac.new(self._key, digest.encode(), "sha256").hexdigest()[:32]
