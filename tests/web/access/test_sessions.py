"""Sessions: how people come in, what a browser may do for them, and how they leave."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from comporta.runtime.settings import Settings
from comporta.web.access import Access, open_access
from tests.support.auth_client import ACCEPT_HTML, HOST, SAME_ORIGIN, auth_client, bearer, logged_in_client, run


def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(operators_access: Access, operator: str) -> None:
    async def steps() -> None:
        answer = await auth_client(operators_access).post(
            "/login", data={"token": operator, "next": "/orders"}, headers=SAME_ORIGIN
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/orders")
        attributes = answer.headers["set-cookie"].lower().split("; ")
        assert attributes[0].startswith("comporta-8080=")
        assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= set(attributes)
        assert operator not in answer.headers["set-cookie"]
        client = await logged_in_client(operators_access, operator)
        assert (await client.get("/orders")).json()["who"] == "ana"
        assert (await client.get("/login?next=/orders")).headers["location"] == "/orders"

    run(steps)


def test_behind_https_the_cookie_is_the_hosts_alone(path: Path, operator: str) -> None:
    access = open_access(Settings(operators_file=path, public_url="https://shop.example/comporta"))

    async def steps() -> None:
        client = auth_client(access, "https://shop.example")
        answer = await client.post("/comporta/login", data={"token": operator}, headers=SAME_ORIGIN)
        assert answer.headers["location"] == "/comporta/"
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith("__host-comporta-comporta=")
        assert "; secure" in cookie
        assert "domain=" not in cookie
        for asked, path in (("/orders", "/orders"), ("/comporta/orders", "/orders"), ("/comporta", "/")):
            assert (await client.get(asked)).json() == {"who": "ana", "path": f"/comporta{path}"}
        led = await auth_client(access, "https://shop.example").get("/comporta", headers=ACCEPT_HTML)
        assert led.headers["location"] == "/comporta/login"

    run(steps)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site", "origin": HOST}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": HOST}, True),
        ({"origin": "http://127.0.0.1:8081"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
def test_a_change_with_a_cookie_must_come_from_a_page_of_ours(
    operators_access: Access, operator: str, headers: dict[str, str], allowed: bool
) -> None:
    async def steps() -> None:
        client = await logged_in_client(operators_access, operator)
        answer = await client.post("/api/pause", headers=headers)
        assert answer.status_code == (200 if allowed else 403)
        assert (await client.post("/api/pause", headers={**headers, **bearer(operator)})).status_code == 200
        login = await auth_client(operators_access).post("/login", data={"token": operator}, headers=headers)
        assert login.status_code == (303 if allowed else 403)

    run(steps)


def test_a_viewer_who_sends_a_form_without_a_script_is_told_so_as_a_page(operators_access: Access, viewer: str) -> None:
    async def steps() -> None:
        client = await logged_in_client(operators_access, viewer)
        page = await client.post("/orders/retry", headers={**ACCEPT_HTML, **SAME_ORIGIN})
        assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert "rui is a viewer" in page.text
        part = await client.post("/orders/retry", headers={**ACCEPT_HTML, **SAME_ORIGIN, "hx-request": "true"})
        assert (part.status_code, part.json()["status"]) == (403, 403)

    run(steps)


def test_behind_a_proxy_the_public_origin_is_ours_whatever_host_the_proxy_names(path: Path, operator: str) -> None:
    access = open_access(Settings(operators_file=path, public_url="https://shop.example/comporta"))

    async def steps() -> None:
        client = await logged_in_client(access, operator, "https://127.0.0.1:8080")
        assert (await client.post("/api/pause", headers={"origin": "https://shop.example"})).status_code == 200
        assert (await client.post("/api/pause", headers={"origin": "http://shop.example"})).status_code == 403

    run(steps)


def test_a_viewer_leaves_as_anybody_does_and_a_copied_cookie_is_worth_nothing_then(
    operators_access: Access, viewer: str
) -> None:
    async def steps() -> None:
        client = await logged_in_client(operators_access, viewer)
        copy = httpx.Cookies(client.cookies)
        elsewhere = await client.post("/logout", headers={"sec-fetch-site": "cross-site"})
        assert "set-cookie" not in elsewhere.headers
        assert (await client.get("/api/status")).status_code == 200
        left = await client.post("/logout", headers=SAME_ORIGIN)
        assert (left.status_code, left.headers["location"]) == (303, "/login")
        assert not client.cookies
        client.cookies = copy
        assert (await client.get("/api/status")).status_code == 401

    run(steps)


def test_after_too_many_wrong_tokens_an_address_has_to_wait(operators_access: Access, operator: str) -> None:
    async def steps() -> None:
        client = auth_client(operators_access)
        for _ in range(10):
            assert (await client.post("/login", data={"token": "wrong"}, headers=SAME_ORIGIN)).status_code == 401
        limited = await client.post("/login", data={"token": operator}, headers=SAME_ORIGIN)
        assert limited.status_code == 429
        assert 0 < int(limited.headers["retry-after"]) <= 60
        # Who has a token that counts is not held up by somebody else's tries.
        assert (await client.get("/api/status", headers=bearer(operator))).status_code == 200

    run(steps)


def test_the_right_token_costs_nobody_a_try(operators_access: Access, operator: str) -> None:
    async def steps() -> None:
        client = auth_client(operators_access)
        for _ in range(30):
            assert (await client.post("/login", data={"token": operator}, headers=SAME_ORIGIN)).status_code == 303

    run(steps)


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", ""])
def test_the_login_leads_nowhere_else(operators_access: Access, operator: str, wanted: str) -> None:
    async def steps() -> None:
        answer = await auth_client(operators_access).post(
            "/login", data={"token": operator, "next": wanted}, headers=SAME_ORIGIN
        )
        assert answer.headers["location"] == "/"

    run(steps)


def test_the_link_gives_a_session_and_takes_itself_out_of_the_address(link_access: Access) -> None:
    async def steps() -> None:
        client = auth_client(link_access)
        answer = await client.get(f"/?token={link_access.token}&shop=main", headers=ACCEPT_HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, "/?shop=main")
        assert (await client.get("/")).json()["who"] == "local"
        assert (await auth_client(link_access).get("/api/status", headers=bearer(link_access.token))).json()[
            "who"
        ] == "local"
        old = await auth_client(link_access).get("/?token=comporta_old", headers=ACCEPT_HTML)
        assert (old.status_code, old.headers["location"]) == (303, "/login?error=link")

    run(steps)


def test_where_there_are_operators_no_token_in_an_address_counts(operators_access: Access, operator: str) -> None:
    async def steps() -> None:
        answer = await auth_client(operators_access).get(f"/?token={operator}", headers=ACCEPT_HTML)
        assert answer.headers["location"].startswith("/login")
        assert "set-cookie" not in answer.headers

    run(steps)
