"""`comporta reason`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, NamedTuple

import typer

from comporta.cli.output import AsJson, console, fail, print_json
from schemas.reason_docs import DocLanguage, in_language, reason_docs
from schemas.warning_docs import WARNING_DOCS

__all__ = ["reason"]

_WRONG_USAGE = 2


class _Explanation(NamedTuple):
    code: str
    kind: str
    description: str
    remedy: str
    example: str


def reason(
    code: Annotated[str | None, typer.Argument(help="Code of a refusal or a warning; without one: all.")] = None,
    language: Annotated[str, typer.Option("--lang", help="en or pt-BR.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Explain the code of a refusal or of a warning, and say what to do."""
    if language not in ("en", "pt-BR"):
        raise typer.BadParameter("--lang: en or pt-BR")
    known = _explanations("pt-BR" if language == "pt-BR" else "en")
    if code is None:
        if as_json:
            print_json([each._asdict() for each in known.values()])
            return
        for each in known.values():
            console.print(f"{each.code}: {each.description}", markup=False, highlight=False)
        return
    if code not in known:
        near = get_close_matches(code, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `comporta reason` lists all codes"
        raise fail(f"{code}: no such code{hint}", _WRONG_USAGE)
    found = known[code]
    if as_json:
        print_json(found._asdict())
        return
    example = f" ({found.example})" if found.example else ""
    console.print(f"{found.code}\n\n{found.description}{example}\n\n{found.remedy}", markup=False, highlight=False)


def _explanations(language: DocLanguage) -> dict[str, _Explanation]:
    found: dict[str, _Explanation] = {}
    for doc in (in_language(each, language) for each in reason_docs()):
        found[doc.reason.value] = _Explanation(doc.reason.value, "refusal", doc.description, doc.remedy, doc.example)
    for warning in WARNING_DOCS:
        texts = (
            (warning.description, warning.remedy) if language == "en" else (warning.description_pt, warning.remedy_pt)
        )
        # A field of a change event is refused for what is only a warning in an order: the refusal stays.
        found.setdefault(warning.code.value, _Explanation(warning.code.value, "warning", *texts, warning.example))
    return found
