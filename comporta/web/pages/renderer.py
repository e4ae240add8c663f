"""Renderer of the templates, with the language, theme, addresses and identity of the request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from comporta.web.own_shops import own_document
from comporta.web.pages import formats, i18n
from comporta.web.pages.filters import page_filters
from comporta.web.pages.i18n import LANGUAGES, Language, wanted_language
from comporta.web.pages.static_files import static_path
from comporta.web.pages.template_code import TemplateCode
from comporta.web.request import identity_of
from rules.versions import FORGOTTEN
from schemas.control import ANY, PlannedPause, StatusDocument, SwitchState
from schemas.domains import DOMAIN_NAMES

__all__ = [
    "THEME_COOKIE",
    "Integration",
    "Pages",
    "address",
    "database_answered",
    "database_away_since",
    "integration",
    "is_refresh",
    "load_templates",
    "render_bare",
    "translate",
    "translate_plural",
]


THEME_COOKIE = "comporta_theme"


THEMES = ("auto", "light", "dark")


_TEMPLATES = Path(__file__).parent / "templates"
_CODE = TemplateCode(_TEMPLATES / "__pycache__")


_PAGE, _PART, _LIVE = "layout/page.html", "layout/part.html", "layout/live.html"
_ERP = "layout/erp.html"


def address(request: Request, path: str, **query: object) -> str:
    """Return an address below the root path; empty query values are left out, lists are repeated."""
    params = [(name, item) for name, value in query.items() for item in _items(value)]
    root = request.scope.get("root_path", "")
    return f"{root}{path}" + (f"?{urlencode(params)}" if params else "")


def translate(request: Request, text: str, **values: object) -> str:
    """Translate a text of the source into the language of the request."""
    return wanted_language(request).translations.gettext(text) % values


def translate_plural(request: Request, singular: str, plural: str, number: int, **values: object) -> str:
    """Translate a text with a number, whose placeholder is `count`."""
    language = wanted_language(request)
    text = language.translations.ngettext(singular, plural, number)
    return text % {"count": formats.number(number, language.locale), **values}


def render_bare(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page that needs no database: the login and the errors."""
    language = wanted_language(request)
    body = _environment(language).get_template(template).render({**_common(request, language), **values})
    return HTMLResponse(body, status, headers={"Vary": "Accept-Language, Cookie, HX-Request"})


@dataclass(frozen=True, slots=True)
class Pages:
    """Renderer of pages with header, banner and navigation; `label` names the environment."""

    status: Callable[[], StatusDocument]
    label: str | None = None

    def document(self, request: Request) -> StatusDocument:
        """Return the status document, or what the role erp may see of it."""
        identity, document = identity_of(request), self.status()
        return own_document(document, identity.shops) if identity.is_erp else document

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Render a page, or only the part of it that htmx requests."""
        document = values.pop("document", None) or self.document(request)
        database_answered()
        identity = identity_of(request)
        # Its pages have neither the state of the integration nor a script, which would ask for it.
        layout = _ERP if identity.is_erp else _layout(request)
        return render_bare(
            request,
            template,
            status,
            layout=layout,
            refreshing=layout == _LIVE,
            document=document,
            integration=integration(document),
            identity=identity,
            may_act=identity.may_act,
            label=self.label,
            **values,
        )


def is_refresh(request: Request) -> bool:
    """Return whether an open page refreshes its live regions."""
    return _layout(request) == _LIVE


def _layout(request: Request) -> str:
    """Return the layout: the live regions or a dialog's content for htmx, by its target, else the whole page."""
    if "hx-request" not in request.headers:
        return _PAGE
    return _LIVE if request.headers.get("hx-target") == "live" else _PART


def _common(request: Request, language: Language) -> dict[str, Any]:
    theme = request.cookies.get(THEME_COOKIE)
    return {
        "request": request,
        "root": request.scope.get("root_path", ""),
        "current_url": _current_url(request),
        "url": partial(address, request),
        "asset": lambda name: address(request, static_path(name)),
        "language": language,
        "languages": LANGUAGES,
        "theme": theme if theme in THEMES else "auto",
        "themes": THEMES,
        "now": datetime.now(UTC),
        "forgotten": FORGOTTEN,
    }


def _current_url(request: Request) -> str:
    """Return path and query without the root path, to which a form or a preference leads back."""
    root = request.scope.get("root_path", "")
    path = request.url.path.removeprefix(root) or "/"
    return path + (f"?{request.url.query}" if request.url.query else "")


def load_templates() -> None:
    """Load the templates of every language, which else load when they are first shown."""
    for language in LANGUAGES:
        environment = _environment(language)
        for name in environment.list_templates(extensions=["html"]):
            environment.get_template(name)


@cache
def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        bytecode_cache=_CODE,
        # They change with the program alone.
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    translations = language.translations
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["domain_names"] = DOMAIN_NAMES
    environment.globals["outcomes"] = tuple(i18n.OUTCOMES)
    environment.globals["order_states"] = tuple(i18n.STATES)
    environment.filters.update(page_filters(language))
    return environment


def _items(value: object) -> list[object]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


class _Outage:
    """Start of the current database outage, shared by all requests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._since: datetime | None = None

    def start(self) -> datetime:
        with self._lock:
            self._since = self._since or datetime.now(UTC)
            return self._since

    def end(self) -> None:
        with self._lock:
            self._since = None


# One per process, so that all pages show the same start of an outage.
_outage = _Outage()


def database_away_since() -> datetime:
    """Return the first failure of the current outage; to be called after a failure of the database."""
    return _outage.start()


def database_answered() -> None:
    """End the outage; to be called after an answer of the database."""
    _outage.end()


class Integration(NamedTuple):
    """State of the integration in one word, the switches that are off, widest scope first, and the planned pauses."""

    state: Literal["on", "off", "partly"]
    off: tuple[SwitchState, ...]
    planned: tuple[PlannedPause, ...] = ()

    @property
    def pauses(self) -> list[list[SwitchState]]:
        """Return the switches grouped by pause: one shop, several domains, one reason and one end."""
        groups: dict[tuple[object, ...], list[SwitchState]] = {}
        for switch in self.off:
            key = (switch.shop, switch.since, switch.until, switch.by, switch.reason)
            groups.setdefault(key, []).append(switch)
        return list(groups.values())

    @property
    def plans(self) -> list[list[PlannedPause]]:
        """Return the planned pauses grouped in the same way, the next one first."""
        groups: dict[tuple[object, ...], list[PlannedPause]] = {}
        for plan in self.planned:
            groups.setdefault((plan.shop, plan.begins, plan.until, plan.by, plan.reason), []).append(plan)
        return list(groups.values())

    @property
    def off_shops(self) -> int:
        """Return the number of shops with a switch of their own that is off."""
        return len({switch.shop for switch in self.off if switch.shop != ANY})

    @property
    def whole(self) -> SwitchState | None:
        """Return the switch over everything if it is off, else None."""
        return next((switch for switch in self.off if (switch.shop, switch.domain) == (ANY, ANY)), None)


def integration(document: StatusDocument) -> Integration:
    """Return the integration's state: off if nothing passes, partly off if something does."""
    off = tuple(sorted((switch for switch in document.switches if switch.off), key=_narrowness))
    return Integration(document.state, off, tuple(document.planned))


def _narrowness(switch: SwitchState) -> tuple[int, str, str]:
    return (switch.shop != ANY) + (switch.domain != ANY), switch.shop, switch.domain
