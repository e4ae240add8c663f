"""Access to page and API: who is admitted, and the answer to those who are not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from comporta.web.access import Access
from comporta.web.middleware import CONTENT_SECURITY_POLICY
from comporta.web.server import secure
from control.auth.operators_edit import remove_operator
from tests.support.auth_client import ACCEPT_HTML, HOST, PORT, auth_client, bearer, protected_app, run


def test_a_program_shows_a_token_and_the_route_knows_whose_it_is(
    operators_access: Access, operator: str, viewer: str
) -> None:
    async def steps() -> None:
        client = auth_client(operators_access)
        assert (await client.get("/api/status", headers=bearer(operator))).json()["who"] == "ana"
        assert (await client.get("/api/status", headers=bearer(viewer))).json()["who"] == "rui"
        assert (await client.post("/api/pause", headers=bearer(operator))).status_code == 200
        refused = await client.post("/api/pause", headers=bearer(viewer))
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
        assert "rui is a viewer" in refused.json()["detail"]

    run(steps)


@pytest.mark.parametrize("headers", [{}, bearer("comporta_wrong"), bearer(""), {"authorization": "Basic eDp5"}])
def test_a_program_without_a_token_that_counts_gets_401(operators_access: Access, headers: dict[str, str]) -> None:
    async def steps() -> None:
        for method, path in (("GET", "/api/status"), ("POST", "/api/pause"), ("GET", "/nowhere"), ("POST", "/events")):
            answer = await auth_client(operators_access).request(method, path, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
            assert answer.headers["www-authenticate"].startswith("Bearer")

    run(steps)


def test_a_person_is_led_to_the_login_and_back(operators_access: Access) -> None:
    async def steps() -> None:
        client = auth_client(operators_access)
        answer = await client.get("/orders?state=waiting&shop=a%26b", headers=ACCEPT_HTML)
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/login?next=/orders%3Fstate%3Dwaiting%26shop%3Da%2526b",
        )
        form = await client.get(answer.headers["location"], headers=ACCEPT_HTML)
        assert form.status_code == 200
        assert "/orders?state=waiting&amp;shop=a%26b" in form.text
        part = await client.get("/orders", headers={**ACCEPT_HTML, "hx-request": "true"})
        assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login")

    run(steps)


def test_a_link_from_elsewhere_is_opened_again_from_here_before_anybody_is_asked_to_log_in(
    operators_access: Access,
) -> None:
    async def steps() -> None:
        answer = await auth_client(operators_access).get(
            '/orders?q="><x', headers={**ACCEPT_HTML, "sec-fetch-site": "cross-site"}
        )
        assert answer.status_code == 200
        assert 'url=/orders?q=%22%3E%3Cx"' in answer.text
        elsewhere = await auth_client(operators_access).get(
            f"{HOST}//evil.example/", headers={**ACCEPT_HTML, "sec-fetch-site": "cross-site"}
        )
        assert "evil" not in elsewhere.text

    run(steps)


def test_a_removed_operator_is_out_at_once_and_their_streams_end(
    operators_access: Access, path: Path, operator: str
) -> None:
    async def steps() -> None:
        app = secure(protected_app(), operators_access, PORT)
        chunks: list[bytes] = []
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/events",
            "query_string": b"",
            "scheme": "http",
            "headers": [(b"authorization", f"Bearer {operator}".encode()), (b"host", b"127.0.0.1")],
            "client": None,
        }
        ended = asyncio.Event()

        async def receive() -> dict[str, object]:
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            if message["type"] != "http.response.body":
                return
            assert not ended.is_set()
            chunks.append(bytes(message["body"]))  # type: ignore[call-overload]
            if len(chunks) == 3:
                remove_operator(path, "ana")
            if not message.get("more_body"):
                ended.set()

        await asyncio.wait_for(app(scope, receive, send), 10)  # type: ignore[arg-type]
        assert chunks == [b"tick\n"] * 3 + [b""]
        assert (await auth_client(operators_access).get("/api/status", headers=bearer(operator))).status_code == 401

    run(steps)


def test_without_operators_a_name_that_leads_to_loopback_is_not_ours(
    link_access: Access, operators_access: Access
) -> None:
    async def steps() -> None:
        for path in ("/healthz", "/login", "/api/status"):
            answer = await auth_client(link_access).get(
                path, headers={"host": "evil.example", **bearer(link_access.token)}
            )
            assert answer.status_code == 400
        for host in ("127.0.0.1:8080", "localhost:8080", "[::1]:8080"):
            assert (await auth_client(link_access).get("/healthz", headers={"host": host})).status_code == 200
        assert (await auth_client(operators_access).get("/healthz", headers={"host": "10.0.0.7"})).status_code == 200

    run(steps)


@pytest.mark.parametrize("address", ["/", "/healthz", "/login", "/api/status", "/nowhere"])
def test_every_answer_says_what_a_browser_may_do_with_it(operators_access: Access, address: str) -> None:
    async def steps() -> None:
        headers = (await auth_client(operators_access).get(address, headers=ACCEPT_HTML)).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"

    run(steps)


def test_the_policy_allows_nothing_inline_and_no_frame() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY
