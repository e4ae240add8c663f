"""Serves the page's own files, compressed once, and for ever cached under the hash of them all."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response

__all__ = ["assets_router", "static_path"]

_FOLDER = Path(__file__).parent / "static"
_SERVED = {".css", ".js", ".svg", ".png", ".txt"}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, no-cache"


class _Asset(NamedTuple):
    plain: bytes
    packed: bytes
    kind: str
    etag: str


def static_path(name: str) -> str:
    """Where a file is found, below the root path; the address changes with the content."""
    return f"/static/{_version()}/{name}"


def assets_router() -> APIRouter:
    """The door to the files; open to everybody, since the login page needs them too."""
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{name:path}")
    def asset(request: Request, name: str) -> Response:
        first, _, rest = name.partition("/")
        versioned = first == _version()
        found = _read(rest if versioned else name)
        if found is None:
            raise HTTPException(404, f"there is no file {name}")
        return _answer(request, found, _FOR_EVER if versioned else _ASK_AGAIN)

    return router


def _answer(request: Request, asset: _Asset, caching: str) -> Response:
    headers = {"Cache-Control": caching, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.plain, headers=headers, media_type=asset.kind)
    return Response(asset.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.kind)


@cache
def _read(name: str) -> _Asset | None:
    # Only names that are listed are ever opened: no path of a request leads out of the folder.
    path = _files().get(name)
    if path is None:
        return None
    body = path.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _Asset(body, gzip.compress(body, mtime=0), kind, f'"{hashlib.sha256(body).hexdigest()[:16]}"')


@cache
def _files() -> dict[str, Path]:
    found = (path for path in _FOLDER.rglob("*") if path.is_file() and path.suffix in _SERVED)
    return {path.relative_to(_FOLDER).as_posix(): path for path in found}


@cache
def _version() -> str:
    digest = hashlib.sha256()
    for name, path in sorted(_files().items()):
        digest.update(f"{name}\n".encode())
        digest.update(path.read_bytes())
    return f"v-{digest.hexdigest()[:12]}"
