"""Role erp: it sees its own shops' feeds, quarantine, missed keys, loads and outcomes, and is refused all else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from comporta.runtime.settings import Settings
from comporta.web.access import Access, open_access
from comporta.web.server import secure
from control.auth.operators import OperatorsUnreadable, read_operators
from control.auth.operators_edit import add_operator
from control.auth.tokens import Role, digest_of
from rules.feeds import Distances
from storage.feed_activity import FeedActivity
from tests.support.auth_client import ACCEPT_HTML, HOST, PORT, SAME_ORIGIN, bearer
from tests.support.load_harness import load_message, product, reject_at
from tests.support.views_harness import change_event, rejected_delivery
from tests.support.web_harness import WebHarness
from tests.support.web_routes import ENDLESS, OPEN, routes, statuses

OWN, OTHER = "main", "rival"
ALLOWED = {
    ("GET", path)
    for path in (
        "/api/quarantine",
        "/api/quarantine/{identity}",
        "/api/quarantine/{identity}/body",
        "/api/missed",
        "/api/feeds",
        "/api/loads",
        "/api/loads/{shop}/{domain}/{load_id:path}",
        "/api/tail",
        "/quarantine",
        "/quarantine/message",
        "/missed",
        "/feeds",
        "/loads",
        "/load",
    )
}
LISTS = ("/api/quarantine", "/api/missed", "/api/feeds", "/api/loads", "/quarantine", "/missed", "/feeds", "/loads")


@pytest.fixture
def erp(path: Path) -> str:
    """The token of the ERP of the shop main."""
    return add_operator(path, "winthor", Role.ERP, [OWN])


@pytest.fixture
def access(path: Path, erp: str, operator: str) -> Access:
    """The ERP and an operator in a file."""
    return open_access(Settings(operators_file=path))


@pytest.fixture
def filled(web: WebHarness) -> WebHarness:
    """Two shops, each with feeds, missed keys, refused events, a refused order and a load."""
    store = web.storage.store
    for shop in (OWN, OTHER):
        store.commit([change_event("stock", shop=shop, product_code=f"{shop}-stock")])
        store.commit([rejected_delivery(f"{shop}-body".encode(), shop=shop)])
        store.commit([rejected_delivery(f"{shop}-order".encode(), shop=shop, domain="orders")])
        web.storage.discard(f"{shop}-missed", shop=shop)
        load = [
            load_message("begun", shop=shop, load_id=f"{shop}-load", version="90"),
            product(100, f"{shop}-product", f"{shop}-load", shop=shop),
        ]
        store.commit(load, reject_at(load))
        now = Distances(1.0, 2.0, 2.0, 6.0, 3)
        FeedActivity(web.storage.fence).record({(shop, "stock"): 3.0}, {(shop, "stock"): now})
    return web


def client_of(web: WebHarness, access: Access) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(secure(web.own_app, access, PORT), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=HOST)


def test_every_route_but_its_own_is_refused(sqlite_web: WebHarness, access: Access, erp: str) -> None:
    every = routes(sqlite_web)
    assert every >= ALLOWED

    async def steps() -> None:
        client = client_of(sqlite_web, access)
        answers = await statuses(client, every - OPEN - ALLOWED, erp)
        assert {route for route, status in answers.items() if status != 403} == set()
        answers = await statuses(client, ALLOWED - ENDLESS, erp)
        assert {route for route, status in answers.items() if status in {401, 500}} == set()

    asyncio.run(steps())


def test_its_own_routes_show_its_own_shops_alone(filled: WebHarness, access: Access, erp: str, operator: str) -> None:
    async def text_of(client: httpx.AsyncClient, token: str, address: str, **params: str) -> str:
        answer = await client.get(address, params=params, headers=bearer(token))
        assert answer.status_code == 200, (address, answer.text)
        return answer.text

    async def steps() -> None:
        client = client_of(filled, access)
        for address in LISTS:
            # The other shop is there to be seen.
            assert OTHER in await text_of(client, operator, address), address
            for params in ({}, {"shop": OWN}, *([{"format": "csv"}] if "/api/" in address else ())):
                if address == "/api/feeds" and "format" in params:
                    continue
                shown = await text_of(client, erp, address, **params)
                assert OWN in shown, address
                assert OTHER not in shown, address
                assert "orders" not in shown, address
            refused = await client.get(address, params={"shop": OTHER}, headers=bearer(erp))
            assert refused.status_code == 403, address
        assert (await client.get("/api/missed?shop=*", headers=bearer(erp))).status_code == 403
        assert (await client.get("/api/quarantine?domain=orders", headers=bearer(erp))).status_code == 403

    asyncio.run(steps())


def test_one_message_or_load_of_another_shop_is_not_there(
    filled: WebHarness, access: Access, erp: str, operator: str
) -> None:
    async def steps() -> None:
        client = client_of(filled, access)
        rows = (await client.get("/api/quarantine", headers=bearer(operator))).json()
        assert len(rows) == 4
        for row in rows:
            status = 200 if row["shop"] == OWN and row["domain"] == "stock" else 404
            id = row["id"]
            for address in (f"/api/quarantine/{id}", f"/api/quarantine/{id}/body", f"/quarantine/message?id={id}"):
                assert (await client.get(address, headers=bearer(erp))).status_code == status, (address, row)
        for shop, status in ((OWN, 200), (OTHER, 404)):
            page = f"/load?shop={shop}&domain=products&id={shop}-load"
            for address in (f"/api/loads/{shop}/products/{shop}-load", page):
                assert (await client.get(address, headers=bearer(erp))).status_code == status, address

    asyncio.run(steps())


def test_the_tail_tells_the_outcomes_of_its_own_shops(web: WebHarness, access: Access, erp: str, path: Path) -> None:
    lines: list[dict[str, Any]] = []

    async def steps() -> None:
        app, ended = secure(web.own_app, access, PORT), asyncio.Event()
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/tail",
            "query_string": b"",
            "scheme": "http",
            "headers": [(b"authorization", f"Bearer {erp}".encode()), (b"host", b"127.0.0.1")],
            "client": None,
        }

        async def receive() -> dict[str, object]:
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            text = message.get("body", b"").decode()
            if "event: watching" in text:
                await asyncio.to_thread(commit)
            if "event: outcome" in text:
                data = next(line for line in text.splitlines() if line.startswith("data: "))
                lines.append(json.loads(data.removeprefix("data: ")))
            if len(lines) == 2:
                ended.set()

        def commit() -> None:
            for shop in (OTHER, OWN):
                web.storage.store.commit([rejected_delivery(shop=shop, domain="orders")])
                web.storage.store.commit([change_event("stock", shop=shop)])
                web.storage.store.commit([rejected_delivery(shop=shop)])

        await asyncio.wait_for(app(scope, receive, send), 30)  # type: ignore[arg-type]

    asyncio.run(steps())
    assert [(line["shop"], line["domain"], line["outcome"], line["reason"]) for line in lines] == [
        (OWN, "stock", "applied", None),
        (OWN, "stock", "quarantined", "no_version"),
    ]


def test_a_person_of_the_erp_is_led_to_the_feeds_and_told_what_is_not_theirs(
    filled: WebHarness, access: Access, erp: str
) -> None:
    async def steps() -> None:
        client = client_of(filled, access)
        await client.post("/login", data={"token": erp}, headers=SAME_ORIGIN)
        home = await client.get("/", headers=ACCEPT_HTML)
        assert (home.status_code, home.headers["location"]) == (303, "/feeds")
        page = (await client.get("/feeds", headers=ACCEPT_HTML)).text
        assert "winthor" in page
        assert all(f'href="/{name}"' in page for name in ("feeds", "quarantine", "missed", "loads"))
        assert not any(address in page for address in ('href="/orders"', 'href="/audit"', "<script", "/search"))
        refused = await client.get("/orders", headers=ACCEPT_HTML)
        assert (refused.status_code, "winthor has the role erp" in refused.text) == (403, True)
        assert (await client.get("/", headers=bearer(erp))).status_code in {303, 403}

    asyncio.run(steps())


@pytest.mark.parametrize(
    ("role", "shops", "fault"),
    [
        ("erp", "", "requires shops"),
        ("erp", "shops = []", "requires shops"),
        ("erp", 'shops = ["Main"]', "list of shop ids"),
        ("viewer", 'shops = ["main"]', "belong to the role erp"),
        ("owner", "", "must be viewer, operator or erp"),
    ],
)
def test_a_faulty_binding_is_named(path: Path, role: str, shops: str, fault: str) -> None:
    entry = f'[[operator]]\nname = "winthor"\nrole = "{role}"\ntoken_sha256 = "{digest_of("x")}"\n{shops}\n'
    path.write_text(entry)
    with pytest.raises(OperatorsUnreadable, match=fault):
        read_operators(path)
