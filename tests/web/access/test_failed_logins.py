"""Failed logins: counted and logged without the token; a few addresses lock nobody else out."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from comporta.web.access import Access
from comporta.web.failed_logins import FailedLogins
from comporta.web.server import secure
from control.auth.tokens import new_token
from tests.support.auth_client import HOST, PORT, SAME_ORIGIN, bearer, protected_app, run


class Doorway:
    """Application that clients of several addresses reach."""

    def __init__(self, access: Access) -> None:
        self.failures = FailedLogins()
        self._app = secure(protected_app(), access, PORT, self.failures)

    async def login(self, address: str, token: str) -> int:
        """Log in by the form; return the status."""
        async with self._client(address) as client:
            return (await client.post("/login", data={"token": token}, headers=SAME_ORIGIN)).status_code

    async def get(self, address: str, token: str) -> int:
        """Ask with a token in the header; return the status."""
        async with self._client(address) as client:
            return (await client.get("/api/status", headers=bearer(token))).status_code

    def counted(self, way: str) -> float | None:
        """Return the metric."""
        registry: CollectorRegistry = self.failures.registry
        return registry.get_sample_value("comporta_failed_logins_total", {"way": way})

    def _client(self, address: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self._app, client=(address, 1)), base_url=HOST)


def test_many_addresses_with_wrong_tokens_lock_nobody_else_out(operators_access: Access, operator: str) -> None:
    doorway = Doorway(operators_access)

    async def steps() -> None:
        for number in range(15):
            for _ in range(10):
                assert await doorway.login(f"192.0.2.{number}", new_token()) == 401
            assert await doorway.login(f"192.0.2.{number}", new_token()) == 429
        assert await doorway.login("198.51.100.1", operator) == 303

    run(steps)
    assert doorway.counted("form") == 150


def test_a_token_is_not_tried_around_from_many_addresses(operators_access: Access, operator: str) -> None:
    doorway = Doorway(operators_access)

    async def steps() -> None:
        for number in range(10):
            assert await doorway.login(f"192.0.2.{number}", f"{operator[:-1]}{number}x") == 401
        assert await doorway.login("192.0.2.99", f"{operator[:-1]}yz") == 429
        assert await doorway.login("192.0.2.99", new_token()) == 401

    run(steps)


def test_an_ipv6_network_counts_as_one_address(operators_access: Access, operator: str) -> None:
    doorway = Doorway(operators_access)

    async def steps() -> None:
        for number in range(10):
            assert await doorway.login(f"2001:db8:0:1::{number}", new_token()) == 401
        assert await doorway.login("2001:db8:0:1::ffff", operator) == 429
        assert await doorway.login("2001:db8:0:2::1", operator) == 303

    run(steps)


@pytest.mark.parametrize("way", ["form", "bearer"])
def test_a_failure_is_counted_and_logged_without_the_token(operators_access: Access, operator: str, way: str) -> None:
    doorway = Doorway(operators_access)
    wrong = [new_token() for _ in range(5)]

    async def steps() -> None:
        for token in wrong:
            attempt = doorway.login if way == "form" else doorway.get
            assert await attempt("192.0.2.7", token) == 401
        assert await doorway.get("192.0.2.7", operator) == 200

    with capture_logs() as logs:
        run(steps)
    assert doorway.counted(way) == 5
    failed = [line for line in logs if line["event"] == "login failed"]
    assert (failed[0]["way"], failed[0]["address"], failed[0]["more_since_last_line"]) == (way, "192.0.2.7", 0)
    assert len(failed) + sum(line["more_since_last_line"] for line in failed) <= 5
    assert not any(token[9:17] in str(logs) for token in wrong)


def test_lines_are_a_second_apart_and_tell_how_many_were_left_out() -> None:
    now = [0.0]
    failures = FailedLogins(lambda: now[0])
    with capture_logs() as logs:
        for moment in (0.0, 0.1, 0.2, 1.1):
            now[0] = moment
            failures.record("link", "192.0.2.7")
    assert [line["more_since_last_line"] for line in logs] == [0, 2]
