"""Static files, compressed once and cached by browsers under a hash of all files."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response

__all__ = ["load_files", "static_path", "static_router"]

_FOLDER = Path(__file__).parent / "static"
_SERVED = {".css", ".js", ".svg", ".png", ".txt"}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# One sheet for a browser, which shows nothing before it has the last of them.
_SHEET, _SHEETS = "css/page.css", ("css/base.css", "css/shell.css", "css/content.css")
_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "public, no-cache"


class _Asset(NamedTuple):
    plain: bytes
    gzipped: bytes
    kind: str
    etag: str


def static_path(name: str) -> str:
    """Return the path of a file below the root path; it changes with the content of any file."""
    return f"/static/{_version()}/{name}"


def static_router() -> APIRouter:
    """Return the route of the files; it needs no login, since the login page uses them."""
    router = APIRouter(include_in_schema=False)

    # On the event loop: the files are in memory, and a thread would wait for its turn.
    @router.get("/static/{name:path}")
    async def asset(request: Request, name: str) -> Response:
        first, _, rest = name.partition("/")
        versioned = first == _version()
        file = _read(rest if versioned else name)
        if file is None:
            raise HTTPException(404, f"there is no file {name}")
        return _respond(request, file, _IMMUTABLE if versioned else _REVALIDATE)

    return router


def load_files() -> None:
    """Read and compress every file."""
    for name in (_SHEET, *_files()):
        _read(name)


def _respond(request: Request, asset: _Asset, caching: str) -> Response:
    headers = {"Cache-Control": caching, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.plain, headers=headers, media_type=asset.kind)
    return Response(asset.gzipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.kind)


@cache
def _read(name: str) -> _Asset | None:
    # Path traversal: only listed files are opened, so no requested path leaves the folder.
    paths = [_files().get(part) for part in (_SHEETS if name == _SHEET else (name,))]
    if None in paths:
        return None
    body = b"".join(path.read_bytes() for path in paths if path is not None)
    kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _Asset(body, gzip.compress(body, mtime=0), kind, f'"{hashlib.sha256(body).hexdigest()[:16]}"')


@cache
def _files() -> dict[str, Path]:
    paths = (path for path in _FOLDER.rglob("*") if path.is_file() and path.suffix in _SERVED)
    return {path.relative_to(_FOLDER).as_posix(): path for path in paths}


@cache
def _version() -> str:
    digest = hashlib.sha256()
    for name, path in sorted(_files().items()):
        digest.update(f"{name}\n".encode())
        digest.update(path.read_bytes())
    return f"v-{digest.hexdigest()[:12]}"
