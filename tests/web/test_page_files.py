"""What a browser fetches: nothing from elsewhere, nothing inline, cached for ever, and little of it."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from comporta.web.pages import static_files
from comporta.web.pages.static_files import static_path
from tests.support.page_client import HtmlPage, PageClient
from tests.support.web_harness import WebHarness

STATIC = Path(static_files.__file__).parent / "static"
MOST_BYTES = 150_000


def fetched(page: HtmlPage) -> set[str]:
    """The addresses of what a page loads."""
    links = {each["href"] for each in page.all("link")}
    charts = {
        each[name] for each in page.all("table") for name in ("data-script", "data-style") if name in each.attributes
    }
    return links | charts | {each["src"] for each in [*page.all("script"), *page.all("img")]}


def modules() -> set[str]:
    """The scripts that the first one imports."""
    return {static_path(path.relative_to(STATIC).as_posix()) for path in (STATIC / "js").glob("*.js")}


def test_a_page_with_all_it_loads_is_small(web: WebHarness) -> None:
    web.storage.discard(*(f"P{number}" for number in range(50)))
    client = PageClient(web)
    page = client.get_page("/")
    sizes = {path: int(client.request("GET", path).headers["content-length"]) for path in fetched(page) | modules()}
    assert sum(sizes.values()) + len(page.answer.content) < MOST_BYTES, sizes


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.change("pause")
    for room in ("/", "/orders", "/quarantine", "/switch/off", "/nowhere"):
        page = HtmlPage(PageClient(sqlite_web).request("GET", room))
        assert [each for each in page.elements if each.name == "style" or "style" in each.attributes] == []
        assert [name for each in page.elements for name in each.attributes if name.startswith(("on", "hx-on"))] == []
        assert [each for each in page.all("script") if "src" not in each.attributes] == []
        assert all(urlsplit(each).netloc == "" for each in fetched(page))


def test_what_the_vendored_scripts_may_do_is_switched_off(sqlite_web: WebHarness) -> None:
    config = PageClient(sqlite_web).get_page("/").one("meta", name="htmx-config")["content"]
    for name in ("allowEval", "allowScriptTags", "includeIndicatorStyles"):
        assert f'"{name}":false' in config


def test_a_file_is_kept_for_ever_under_its_hash_and_asked_for_again_without(sqlite_web: WebHarness) -> None:
    client = PageClient(sqlite_web)
    hashed = client.request("GET", static_path("css/base.css"))
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = client.request("GET", "/static/css/base.css")
    assert plain.headers["cache-control"] == "public, no-cache"
    assert hashed.text == plain.text == (STATIC / "css" / "base.css").read_text()
    same = client.request("GET", "/static/css/base.css", headers={"if-none-match": plain.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_a_file_is_compressed_for_those_who_can_read_that(sqlite_web: WebHarness) -> None:
    client, path = PageClient(sqlite_web), static_path("vendor/htmx/htmx.min.js")
    packed = client.request("GET", path, headers={"accept-encoding": "gzip"})
    plain = client.request("GET", path, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.content == plain.content != gzip.compress(plain.content)


@pytest.mark.parametrize("name", ["../router.py", "%2e%2e/router.py", "/etc/passwd", "vendor/VENDOR.md", "", "js"])
def test_only_files_that_are_meant_for_it_are_served(sqlite_web: WebHarness, name: str) -> None:
    for before in ("/static/", static_path("")):
        assert PageClient(sqlite_web).request("GET", before + name).status_code == 404


def test_every_file_says_what_it_is(sqlite_web: WebHarness) -> None:
    client = PageClient(sqlite_web)
    kinds = {
        suffix: client.request("GET", static_path(name)).headers["content-type"].partition(";")[0]
        for suffix, name in ((".js", "js/main.js"), (".css", "css/base.css"), (".svg", "icon.svg"))
    }
    assert kinds == {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def test_every_vendored_package_has_its_licence_and_its_version() -> None:
    said = (STATIC / "vendor" / "VENDOR.md").read_text()
    for folder in (path for path in (STATIC / "vendor").iterdir() if path.is_dir()):
        assert f"`{folder.name}/`" in said
        assert [path for path in folder.iterdir() if path.name.upper().startswith("LICEN")], folder.name


def test_below_a_root_path_every_address_begins_with_it(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.change("pause")
    sqlite_web.storage.discard("P1")
    client = PageClient(sqlite_web, root="/comporta")
    for room in ("/", "/orders", "/missed", "/switch/on", "/nowhere"):
        page = HtmlPage(client.request("GET", room))
        addresses = [
            each[name]
            for each in page.elements
            for name in ("href", "src", "action", "hx-get", "hx-post", "data-script", "data-on")
            if name in each.attributes and not each[name].startswith("#")
        ]
        assert len(addresses) > 5
        assert [address for address in addresses if not address.startswith("/comporta/")] == []
        assert [address for address in addresses if "/comporta/comporta" in address] == []


def test_the_scripts_import_only_each_other() -> None:
    for path in (STATIC / "js").glob("*.js"):
        for name in re.findall(r'from "([^"]+)"', path.read_text()):
            assert (STATIC / "js" / name).is_file(), f"{path.name} imports {name}"


def test_every_module_that_the_page_needs_at_once_is_named_in_its_head(sqlite_web: WebHarness) -> None:
    # Else the browser learns of it only from the module that imports it, and the page waits for one more answer.
    page = PageClient(sqlite_web).get_page("/")
    needed, read = {"main.js"}, set[str]()
    while unread := needed - read:
        for name in unread:
            needed |= {*re.findall(r'^import .* from "\./(\w+\.js)"', (STATIC / "js" / name).read_text(), re.MULTILINE)}
        read |= unread
    named = [link["href"] for link in page.all("link") if link["rel"] == "modulepreload"]
    assert sorted(named) == [static_path(f"js/{name}") for name in sorted(needed - {"main.js"})]
