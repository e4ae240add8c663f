"""Renders templates: the language, the theme, the addresses and who looks come from the request."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import orjson
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from comporta.web.pages import formats, i18n
from comporta.web.pages.i18n import LANGUAGES, Language, wanted_language
from comporta.web.pages.static_files import static_path
from comporta.web.request import identity_of
from rules.versions import FORGOTTEN
from schemas.control import ANY, StatusDocument, SwitchState
from schemas.domains import DOMAIN_NAMES

__all__ = [
    "THEME_COOKIE",
    "Integration",
    "Pages",
    "address",
    "away_since",
    "found_again",
    "integration",
    "is_refresh",
    "render_bare",
    "translate",
    "translate_plural",
]


THEME_COOKIE = "comporta_theme"


THEMES = ("auto", "light", "dark")


_TEMPLATES = Path(__file__).parent / "templates"


_BACKTICKS = re.compile(r"`([^`]+)`")


_PAGE, _PART, _LIVE = "layout/page.html", "layout/part.html", "layout/live.html"


def address(request: Request, path: str, **query: object) -> str:
    """An address of ours, below the root path, with what of the query is given."""
    given = [(name, each) for name, value in query.items() for each in _each(value)]
    root = request.scope.get("root_path", "")
    return f"{root}{path}" + (f"?{urlencode(given)}" if given else "")


def translate(request: Request, text: str, **values: object) -> str:
    """A text of the source in the language of the request."""
    return wanted_language(request).translations.gettext(text) % values


def translate_plural(request: Request, one: str, many: str, number: int, **values: object) -> str:
    """The same of a number, which stands in the text as `count`."""
    language = wanted_language(request)
    text = language.translations.ngettext(one, many, number)
    return text % {"count": formats.number(number, language.locale), **values}


def render_bare(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page without the integration's state: the login, and errors where the database is away."""
    language = wanted_language(request)
    body = _environment(language).get_template(template).render({**_common(request, language), **values})
    return HTMLResponse(body, status, headers={"Vary": "Accept-Language, Cookie, HX-Request"})


@dataclass(frozen=True, slots=True)
class Pages:
    """Renders pages with the shell around them; `label` names the environment."""

    status: Callable[[], StatusDocument]
    label: str | None = None

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """One page, or only the part of it that the browser asks for."""
        document = values.pop("document", None) or self.status()
        found_again()
        who = identity_of(request)
        layout = _layout(request)
        return render_bare(
            request,
            template,
            status,
            layout=layout,
            refreshing=layout == _LIVE,
            document=document,
            integration=integration(document),
            who=who,
            may_act=who.may_act,
            label=self.label,
            **values,
        )


def is_refresh(request: Request) -> bool:
    """Whether an open page asks for what has changed in it."""
    return _layout(request) == _LIVE


def _layout(request: Request) -> str:
    """htmx names what it will replace: the live regions want only themselves, a dialog only its inside."""
    if "hx-request" not in request.headers:
        return _PAGE
    return _LIVE if request.headers.get("hx-target") == "live" else _PART


def _common(request: Request, language: Language) -> dict[str, Any]:
    theme = request.cookies.get(THEME_COOKIE)
    return {
        "request": request,
        "root": request.scope.get("root_path", ""),
        "here": _here(request),
        "url": partial(address, request),
        "asset": lambda name: address(request, static_path(name)),
        "language": language,
        "languages": LANGUAGES,
        "theme": theme if theme in THEMES else "auto",
        "themes": THEMES,
        "now": datetime.now(UTC),
        "forgotten": FORGOTTEN,
    }


def _here(request: Request) -> str:
    """The page as its address names it, without the root path: where a form or a choice leads back to."""
    root = request.scope.get("root_path", "")
    path = request.url.path.removeprefix(root) or "/"
    return path + (f"?{request.url.query}" if request.url.query else "")


@cache
def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
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
    environment.filters.update(_filters(language))
    return environment


def _filters(language: Language) -> dict[str, Callable[..., str]]:
    locale, translate = language.locale, language.translations.gettext

    def word(name: str, among: str) -> str:
        # What a newer worker writes may have a name that this page does not know yet.
        known = getattr(i18n, among).get(name)
        return name if known is None else translate(known)

    return {
        "number": lambda value: formats.number(value, locale),
        "lag": lambda seconds: formats.lag(seconds, locale),
        "stamp": lambda moment: formats.stamp(moment, locale),
        "duration": formats.duration,
        "domain": lambda name: word(name, "DOMAINS"),
        "outcome": lambda name: word(name, "OUTCOMES"),
        "state": lambda name: word(name, "STATES"),
        "action": lambda name: word(name, "ACTIONS"),
        "result": lambda name: word(name, "RESULTS"),
        "role": lambda name: word(name, "ROLES"),
        "code": _code,
        "plain": lambda value: orjson.dumps(value, default=str).decode(),
        "iso": lambda moment: moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _code(text: str) -> Markup:
    """The text with what stands in it between backticks set as code."""
    return Markup(_BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))


def _each(value: object) -> list[object]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


class _Away:
    def __init__(self) -> None:
        self._lock = Lock()
        self._since: datetime | None = None

    def noticed(self) -> datetime:
        with self._lock:
            self._since = self._since or datetime.now(UTC)
            return self._since

    def over(self) -> None:
        with self._lock:
            self._since = None


# One for the process, as the database is: whatever page notices first, all say the same.
_away = _Away()


def away_since() -> datetime:
    """The first failure in a row; called where the database has failed."""
    return _away.noticed()


def found_again() -> None:
    """Called where the database has answered."""
    _away.over()


class Integration(NamedTuple):
    """The state in one word, and the switches that are off, the widest first."""

    state: Literal["on", "off", "partly"]
    off: tuple[SwitchState, ...]

    @property
    def pauses(self) -> list[list[SwitchState]]:
        """The switches that were turned together: one shop, several domains, one reason and one end."""
        together: dict[tuple[object, ...], list[SwitchState]] = {}
        for switch in self.off:
            said = (switch.shop, switch.since, switch.until, switch.by, switch.reason)
            together.setdefault(said, []).append(switch)
        return list(together.values())

    @property
    def whole(self) -> SwitchState | None:
        """The switch over everything, if that one is off."""
        return next((switch for switch in self.off if (switch.shop, switch.domain) == (ANY, ANY)), None)


def integration(document: StatusDocument) -> Integration:
    """Off means that nothing at all comes through; partly off, that something does."""
    off = tuple(sorted((switch for switch in document.switches if switch.off), key=_narrowness))
    return Integration(document.state, off)


def _narrowness(switch: SwitchState) -> tuple[int, str, str]:
    return (switch.shop != ANY) + (switch.domain != ANY), switch.shop, switch.domain
