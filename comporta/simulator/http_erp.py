"""HTTP endpoint of a simulated ERP, to which orders are POSTed."""

from __future__ import annotations

import asyncio
import threading

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from comporta.runtime.monitor_server import listen
from comporta.runtime.settings import SettingsError
from comporta.simulator.receipts import AnsweringErp

__all__ = ["serve_answers"]

_HOST = "127.0.0.1"
_NEVER_SECONDS = 60.0


def serve_answers(answers: AnsweringErp, port: int, stop: threading.Event) -> None:
    """Answer orders at `/orders` on loopback until `stop`; raises `SettingsError` if it can't listen on the port."""
    try:
        listener = listen(_HOST, port)
    except OSError as error:
        raise SettingsError(f"--http: {_HOST}:{port} can't be listened on ({error.strerror})") from None
    app = Starlette(routes=[Route("/orders", _Orders(answers).answer, methods=["POST"])])
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    )
    # Outside the main thread uvicorn installs no signal handlers.
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    serving.start()
    stop.wait()
    server.should_exit = True
    serving.join(5)


class _Orders:
    def __init__(self, answers: AnsweringErp) -> None:
        self._answers = answers
        self._numbers: dict[str, str] = {}

    async def answer(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        try:
            order_id = str(orjson.loads(await request.body())["order_id"])
        except (ValueError, TypeError, KeyError):
            return JSONResponse({"detail": "an order is a JSON object with an order_id"}, 400)
        if key in self._numbers:
            return JSONResponse({"erp_number": self._numbers[key]}, 409)
        seconds, receipt = self._answers.react(order_id)
        await asyncio.sleep(_NEVER_SECONDS if receipt is None else seconds)
        data = {} if receipt is None else orjson.loads(receipt)["data"]
        if "erp_number" not in data:
            return JSONResponse({"detail": data.get("reason", "no answer")}, 422)
        return JSONResponse({"erp_number": self._numbers.setdefault(key, data["erp_number"])}, 201)
