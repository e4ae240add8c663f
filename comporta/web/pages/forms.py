"""Does what a form asks, and says in one sentence what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Form as FormField
from fastapi import Request, Response

from comporta.web.pages.rendering import Pages
from rules.actions import ActionError

__all__ = ["Form", "Forms", "expected_of", "run_action"]

Form = Annotated[str, FormField()]
Forms = Annotated[list[str], FormField()]


def run_action(pages: Pages, request: Request, do: Callable[[], str]) -> Response:
    """Calls `do`, which returns what it has done; a refusal is shown as the sentence that it is."""
    try:
        sentence = do()
    except ActionError as refused:
        return pages.render(request, "done.html", refused.status, sentence=str(refused), failed=True)
    return pages.render(request, "done.html", sentence=sentence, failed=False)


def expected_of(text: str) -> int:
    """The number that somebody was shown; one that can't be read fits no count, so that nothing is done."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
