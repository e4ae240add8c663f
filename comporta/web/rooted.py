"""The path below which a proxy shows us, whether or not the proxy takes it off."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["UnderRoot", "path_below_root"]


class UnderRoot:
    """Puts the root path before every path that comes without it; the router takes it off again."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on."""
        if scope["type"] == "http":
            path = scope["path"]
            if path == self._root:
                path = f"{path}/"
            elif not path.startswith(f"{self._root}/"):
                path = self._root + path
            scope = {**scope, "root_path": self._root, "path": path}
        await self._app(scope, receive, send)


def path_below_root(scope: Scope) -> str:
    """The path as the routes name it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
