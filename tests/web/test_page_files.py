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


def fetched(seen: HtmlPage) -> set[str]:
    """The addresses of what a page loads."""
    links = {each["href"] for each in seen.all("link")}
    charts = {
        each[name] for each in seen.all("table") for name in ("data-script", "data-style") if name in each.attributes
    }
    return links | charts | {each["src"] for each in [*seen.all("script"), *seen.all("img")]}


def modules() -> set[str]:
    """The scripts that the first one imports."""
    return {static_path(path.relative_to(STATIC).as_posix()) for path in (STATIC / "js").glob("*.js")}


def test_a_page_with_all_it_loads_is_small(site: WebHarness) -> None:
    site.gallery.miss(*(f"P{number}" for number in range(50)))
    visitor = PageClient(site)
    seen = visitor.see("/")
    sizes = {path: int(visitor.ask("GET", path).headers["content-length"]) for path in fetched(seen) | modules()}
    assert sum(sizes.values()) + len(seen.answer.content) < MOST_BYTES, sizes


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(small_site: WebHarness) -> None:
    small_site.gallery.change("pause")
    for room in ("/", "/orders", "/quarantine", "/switch/off", "/nowhere"):
        seen = HtmlPage(PageClient(small_site).ask("GET", room))
        assert [each for each in seen.elements if each.name == "style" or "style" in each.attributes] == []
        assert [name for each in seen.elements for name in each.attributes if name.startswith(("on", "hx-on"))] == []
        assert [each for each in seen.all("script") if "src" not in each.attributes] == []
        assert all(urlsplit(each).netloc == "" for each in fetched(seen))


def test_what_the_vendored_scripts_may_do_is_switched_off(small_site: WebHarness) -> None:
    config = PageClient(small_site).see("/").one("meta", name="htmx-config")["content"]
    for name in ("allowEval", "allowScriptTags", "includeIndicatorStyles"):
        assert f'"{name}":false' in config


def test_a_file_is_kept_for_ever_under_its_hash_and_asked_for_again_without(small_site: WebHarness) -> None:
    visitor = PageClient(small_site)
    hashed = visitor.ask("GET", static_path("css/base.css"))
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = visitor.ask("GET", "/static/css/base.css")
    assert plain.headers["cache-control"] == "public, no-cache"
    assert hashed.text == plain.text == (STATIC / "css" / "base.css").read_text()
    same = visitor.ask("GET", "/static/css/base.css", headers={"if-none-match": plain.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_a_file_is_compressed_for_those_who_can_read_that(small_site: WebHarness) -> None:
    visitor, path = PageClient(small_site), static_path("vendor/htmx/htmx.min.js")
    packed = visitor.ask("GET", path, headers={"accept-encoding": "gzip"})
    plain = visitor.ask("GET", path, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.content == plain.content != gzip.compress(plain.content)


@pytest.mark.parametrize("name", ["../router.py", "%2e%2e/router.py", "/etc/passwd", "vendor/VENDOR.md", "", "js"])
def test_only_files_that_are_meant_for_it_are_served(small_site: WebHarness, name: str) -> None:
    for before in ("/static/", static_path("")):
        assert PageClient(small_site).ask("GET", before + name).status_code == 404


def test_every_file_says_what_it_is(small_site: WebHarness) -> None:
    visitor = PageClient(small_site)
    kinds = {
        suffix: visitor.ask("GET", static_path(name)).headers["content-type"].partition(";")[0]
        for suffix, name in ((".js", "js/main.js"), (".css", "css/base.css"), (".svg", "icon.svg"))
    }
    assert kinds == {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def test_every_vendored_package_has_its_licence_and_its_version() -> None:
    said = (STATIC / "vendor" / "VENDOR.md").read_text()
    for folder in (path for path in (STATIC / "vendor").iterdir() if path.is_dir()):
        assert f"`{folder.name}/`" in said
        assert [path for path in folder.iterdir() if path.name.upper().startswith("LICEN")], folder.name


def test_below_a_root_path_every_address_begins_with_it(small_site: WebHarness) -> None:
    small_site.gallery.change("pause")
    small_site.gallery.miss("P1")
    visitor = PageClient(small_site, root="/comporta")
    for room in ("/", "/orders", "/missed", "/switch/on", "/nowhere"):
        seen = HtmlPage(visitor.ask("GET", room))
        addresses = [
            each[name]
            for each in seen.elements
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
