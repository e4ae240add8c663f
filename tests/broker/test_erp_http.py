"""What an answer over HTTP says of an order, and that no answer takes more than its time and its room."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import resource
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from producers.erp import ErpAccess, HttpErpGateway
from producers.signature import parse_keys
from rules.orders import DeliveryStatus, ErpResponse
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.services.ports import HOST, free_port

Open = Callable[..., HttpErpGateway]


@pytest.fixture
def erp() -> Iterator[HttpErp]:
    with running_http_erp() as erp:
        yield erp


@pytest.fixture
def open_gateway(erp: HttpErp) -> Iterator[Open]:
    gateways: list[HttpErpGateway] = []

    def opened(url: str = "", *, timeout: float = 30.0, access: ErpAccess | None = None) -> HttpErpGateway:
        gateways.append(HttpErpGateway(url or erp.url, 4, timeout, 5.0, access))
        return gateways[-1]

    yield opened
    erp.released.set()
    for gateway in gateways:
        gateway.close()


def answered(gateway: HttpErpGateway, order_id: str = "O1") -> ErpResponse:
    return gateway.deliver("main", order_id, json.dumps({"order_id": order_id, "notes": "ação"}, ensure_ascii=False))


@pytest.mark.parametrize("code", [400, 409, 410, 413, 415, 422])
def test_a_status_about_the_order_rejects_it(erp: HttpErp, open_gateway: Open, code: int) -> None:
    erp.default = str(code)
    response = answered(open_gateway())
    assert response.status is DeliveryStatus.REJECTED
    assert f"HTTP {code}" in (response.error or "")


@pytest.mark.parametrize(
    "code",
    [204, 206, 301, 308, 401, 402, 403, 404, 405, 406, 407, 408, 411, 418, 421, 423, 425, 429, 500, 501, 502, 503],
)
def test_any_other_status_says_nothing_of_the_order(erp: HttpErp, open_gateway: Open, code: int) -> None:
    erp.default = str(code)
    response = answered(open_gateway())
    assert response.status is DeliveryStatus.FAILED
    assert (response.error or "").startswith(f"HTTP {code}")


@pytest.mark.parametrize("answer", ["garbage", "empty", "true", "list", "blank", "half a pair", "nested"])
def test_an_answer_without_a_number_says_nothing_of_the_order(erp: HttpErp, open_gateway: Open, answer: str) -> None:
    erp.default = answer
    response = answered(open_gateway())
    assert response.status is DeliveryStatus.FAILED
    assert "without an erp_number" in (response.error or "")


@pytest.mark.parametrize("answer", ["latin", "marked"])
def test_a_number_is_read_whatever_the_encoding_of_the_rest(erp: HttpErp, open_gateway: Open, answer: str) -> None:
    erp.default = answer
    assert answered(open_gateway()) == ErpResponse(DeliveryStatus.INTERNALIZED, "7")


@pytest.mark.parametrize("answer", ["trickle", "trickle body", "hang"])
def test_a_slow_answer_is_given_up_after_its_time_however_it_comes(
    erp: HttpErp, open_gateway: Open, answer: str
) -> None:
    erp.default = answer
    gateway, began = open_gateway(timeout=1.0), time.monotonic()
    response = answered(gateway)
    assert (response.status, response.error) == (DeliveryStatus.FAILED, "no answer: not within 1 s")
    # It would take a quarter of an hour.
    assert time.monotonic() - began < 15
    # The connection is not used again.
    erp.default = "take"
    assert answered(gateway).status is DeliveryStatus.INTERNALIZED


@pytest.mark.parametrize("answer", ["endless", "bomb"])
def test_no_more_than_a_mebibyte_of_an_answer_is_read(erp: HttpErp, open_gateway: Open, answer: str) -> None:
    erp.default = answer
    gateway, began = open_gateway(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # A number that stands in what is read counts.
    status = {"endless": DeliveryStatus.FAILED, "bomb": DeliveryStatus.INTERNALIZED}[answer]
    assert answered(gateway).status is status
    assert erp.written < 64 * 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began < 100 * 1024
    erp.default = "take"
    assert answered(gateway).status is DeliveryStatus.INTERNALIZED


def test_a_request_that_hangs_ends_when_the_gateway_is_closed(erp: HttpErp, open_gateway: Open) -> None:
    erp.default = "hang"
    gateway = open_gateway(timeout=45.0)
    [future] = gateway.send([("main", "O1", "{}")])
    while not erp.requests:
        time.sleep(0.01)
    began = time.monotonic()
    gateway.close()
    assert future.result(0).status is DeliveryStatus.FAILED
    assert time.monotonic() - began < 20


def test_a_redirect_to_elsewhere_is_named_and_never_followed(erp: HttpErp, open_gateway: Open) -> None:
    with running_http_erp() as other:
        erp.default, erp.elsewhere = "elsewhere", f"{other.url}?key=hunter2-hunter2"
        response = answered(open_gateway(access=ErpAccess({"Authorization": "Bearer hunter2-hunter2"})))
        assert response == ErpResponse(DeliveryStatus.FAILED, error=f"HTTP 307: redirects to {other.url}")
        assert not other.requests


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (f"http://{HOST}:{{port}}/x", "no connection: "),
        ("http://no-such-host.invalid/x", "unknown host: "),
        ("https://{erp}/x", "TLS failed: "),
    ],
)
def test_a_way_that_is_not_there_is_named(erp: HttpErp, open_gateway: Open, url: str, kind: str) -> None:
    place = url.format(port=free_port(), erp=erp.url.split("/")[2])
    response = answered(open_gateway(place))
    assert response.status is DeliveryStatus.FAILED
    assert (response.error or "").startswith(kind)


def test_every_request_has_the_headers_of_the_settings(erp: HttpErp, open_gateway: Open) -> None:
    answered(open_gateway(access=ErpAccess({"Authorization": "Bearer abc", "X-Api-Key": "secret"})))
    headers = erp.headers["main/O1"]
    assert (headers["Authorization"], headers["X-Api-Key"]) == ("Bearer abc", "secret")
    assert (headers["Content-Type"], headers["Idempotency-Key"]) == ("application/json", "main/O1")
    assert "webhook-id" not in headers


def test_a_user_in_the_address_logs_in(erp: HttpErp, open_gateway: Open) -> None:
    answered(open_gateway(erp.url.replace("http://", "http://ana:p%40ss@")))
    assert erp.headers["main/O1"]["Authorization"] == f"Basic {base64.b64encode(b'ana:p@ss').decode()}"


def test_a_secret_that_the_erp_repeats_is_not_kept(erp: HttpErp, open_gateway: Open) -> None:
    erp.default = "echo"
    response = answered(open_gateway(access=ErpAccess({"Authorization": "Bearer hunter2-hunter2"})))
    assert "HTTP 401" in (response.error or "")
    assert "hunter2" not in (response.error or "")
    assert "hunter2" not in repr(ErpAccess({"Authorization": "Bearer hunter2-hunter2"}))


def test_each_order_is_signed_so_that_a_library_of_standard_webhooks_accepts_it(
    erp: HttpErp, open_gateway: Open
) -> None:
    secrets = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
    keys = parse_keys(f"whsec_{secrets[0]} {secrets[1]}")
    answered(open_gateway(access=ErpAccess(signing_keys=keys)), "O 1")
    headers, body = erp.headers["main/O 1"], erp.bodies["main/O 1"]
    assert headers["webhook-id"] == headers["Idempotency-Key"]
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body.decode()}".encode()
    for signature, secret in zip(headers["webhook-signature"].split(), secrets, strict=True):
        digest = hmac.new(base64.b64decode(secret), content, hashlib.sha256).digest()
        assert signature == f"v1,{base64.b64encode(digest).decode()}"


def test_the_threads_share_connections_and_each_keeps_its_own_deadline(erp: HttpErp, open_gateway: Open) -> None:
    gateway = open_gateway(timeout=3.0)
    erp.always["main/slow"] = "hang"
    slow = threading.Thread(target=answered, args=(gateway, "slow"))
    slow.start()
    for number in range(50):
        assert answered(gateway, f"O{number}").status is DeliveryStatus.INTERNALIZED
    slow.join(30)
    assert not slow.is_alive()
