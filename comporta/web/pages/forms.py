"""Form actions: run one and show its result in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Form as FormField
from fastapi import Request, Response

from comporta.web.pages.renderer import Pages
from rules.actions import ActionError

__all__ = ["Form", "Forms", "parse_expected", "run_action"]

Form = Annotated[str, FormField()]
Forms = Annotated[list[str], FormField()]


def run_action(pages: Pages, request: Request, action: Callable[[], str]) -> Response:
    """Run `action` and show the sentence that it returns, or that of the `ActionError` it raises."""
    try:
        sentence = action()
    except ActionError as refused:
        return pages.render(request, "done.html", refused.status, sentence=str(refused), failed=True)
    return pages.render(request, "done.html", sentence=sentence, failed=False)


def parse_expected(text: str) -> int:
    """Parse the number shown in the form; -1 if it can't be parsed, which no count equals, so nothing is done."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
