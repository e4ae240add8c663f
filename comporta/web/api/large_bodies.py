"""Bound on large request bodies: few are held in memory, and fewer parsed, at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException, Request

from comporta.web.request import read_body

__all__ = ["LARGE", "LargeBodies"]

LARGE = 256 * 1024
_HELD, _PARSED = 10, 2
_BUSY = "too many large requests are being read; send this one again later, or in smaller parts"


class LargeBodies:
    """Bodies of more than 256 KiB: ten at most in memory, two at most at work; the eleventh is answered with 503."""

    def __init__(self, held: int = _HELD, parsed: int = _PARSED) -> None:
        self._left = held
        self._parsed = asyncio.Semaphore(parsed)

    @asynccontextmanager
    async def read(self, request: Request, limit: int, subject: str) -> AsyncIterator[bytes]:
        """Read the body and hold its share until the block ends; raises `HTTPException` 413 or 503."""
        held = False

        def take_share(size: int) -> None:
            nonlocal held
            if size > LARGE and not held:
                if self._left == 0:
                    raise HTTPException(503, _BUSY, headers={"Retry-After": "5"})
                self._left -= 1
                held = True

        try:
            body = await read_body(request, limit, subject, take_share)
            if held:
                async with self._parsed:
                    yield body
            else:
                yield body
        finally:
            self._left += held
